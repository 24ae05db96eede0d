"""Figures of a board from what was read; refuses, by the figure's name, what no board does. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_node.calibration.measure import IDLE, IDLE_AGAIN, core_step
from edge_node.calibration.reading import CalibrationError, Power, apart

WIDEST_FRACTION = 0.1
"""A half width above this share of its figure says too little."""
DRIFT_FRACTION = 0.1
"""The idle power may drift by this share of what all cores add."""
TASK_ABOVE_CORES = 1.25
"""A task's power above idle may be this many times that of all cores: it uses memory too."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A figure with its 95 % interval; ends are None where it has none."""

    value: float
    low: float | None
    high: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fit:
    figures: Mapping[str, Fitted]
    """By name, as a board's profile has them."""
    watts_per_core: float | None
    """Slope of a line through idle and the busy cores; None where they were not measured."""


def fit(powers: Mapping[str, Power], cores: int, training: str | None, others: Sequence[str]) -> Fit:
    """``training``: the step whose power and speed are the board's; None: power of all cores, speed not measured.
    ``others``: further steps of tasks, checked alike. Raises CalibrationError."""
    idle = powers[IDLE]
    busy = [powers[core_step(count)] for count in range(1, cores + 1)]
    _check_widths("static_w", idle)
    _check_cores(idle, busy)
    _check_drift(idle, powers[IDLE_AGAIN], busy[-1])
    for step in [*([training] if training else []), *others]:
        _check_task(powers[step], idle, busy[-1])
    slope = _slope(idle, busy)
    chosen = powers[training] if training else busy[-1]
    _check_widths("busy_w", chosen)
    each = ", ".join(f"{power.power_w:.4g}" for power in busy)
    figures = {
        "static_w": _fitted(idle),
        "busy_w": _fitted(chosen, f"1 to {cores} busy cores: {each} W; {slope:.4g} W a core"),
    }
    if training:
        speed, half = chosen.flop_per_s, chosen.flop_half_width
        if not speed:
            raise CalibrationError("effective_flop_per_s: no operations were counted while training")
        low, high = (None, None) if half is None or half >= speed else (speed - half, speed + half)
        cores_busy = chosen.busy_cores
        by_cpu = (
            ""
            if cores_busy is None
            else f"by wall time; {cores_busy:.3g} cores were busy by CPU time, {speed / cores_busy:.4g} FLOP/s a core"
        )
        note = "; ".join(filter(None, [by_cpu, *(powers[step].text for step in others)]))
        figures["effective_flop_per_s"] = Fitted(speed, low, high, note)
    return Fit(figures, slope)


def refuse_other_idle(idle: Power, static_w: float, profile: str) -> None:
    """``idle`` is to be that of ``profile``, in which nothing else is measured again. Raises CalibrationError."""
    if abs(idle.power_w - static_w) > max(WIDEST_FRACTION * static_w, idle.half_width_w or 0.0):
        raise CalibrationError(
            f"static_w: {idle.text}; profile {profile} has {static_w:.4g} W: is it that of this board (--board), "
            "and was the board idle?"
        )


def _fitted(power: Power, note: str = "") -> Fitted:
    if power.half_width_w is None:
        return Fitted(power.power_w, None, None, note)
    return Fitted(power.power_w, power.low_w, power.high_w, note)


def _check_widths(name: str, power: Power) -> None:
    half = power.half_width_w or 0.0
    if half > WIDEST_FRACTION * power.power_w:
        raise CalibrationError(
            f"{name}: {power.text}: the interval is wider than {WIDEST_FRACTION:.0%} of the power on either side; "
            "measure longer (--seconds), or with a faster or finer meter"
        )


def _check_cores(idle: Power, busy: Sequence[Power]) -> None:
    if not apart(busy[-1], idle):
        raise CalibrationError(
            f"busy_w: {busy[-1].text}; {idle.text}: the meter sees no difference; is it the meter of this board, and "
            "was the board idle?"
        )
    for before, after in zip([idle, *busy[:-1]], busy, strict=True):
        if apart(before, after):
            raise CalibrationError(
                f"busy_w: {after.text}; with less load {before.text}: more cores draw less; does something else "
                "run on this board? End it and calibrate again"
            )


def _check_drift(idle: Power, again: Power, all_cores: Power) -> None:
    drift = abs(again.power_w - idle.power_w)
    allowed = max(
        DRIFT_FRACTION * (all_cores.power_w - idle.power_w),
        math.hypot(idle.half_width_w or 0.0, again.half_width_w or 0.0),
    )
    if drift > allowed:
        raise CalibrationError(
            f"static_w: {idle.text}; at the end {again.text}: it changed by {drift:.3g} W, allowed are "
            f"{allowed:.3g} W; let the board cool down, end what else runs on it, and calibrate again"
        )


def _check_task(power: Power, idle: Power, all_cores: Power) -> None:
    if apart(idle, power):
        raise CalibrationError(
            f"busy_w: {power.text}; {idle.text}: working draws less than idling; does something else run on this board?"
        )
    most = idle.power_w + TASK_ABOVE_CORES * (all_cores.power_w - idle.power_w)
    if power.low_w > most:
        raise CalibrationError(
            f"busy_w: {power.text}; {all_cores.text}: a task draws at most {most:.4g} W by that; does something else "
            "run on this board?"
        )


def _slope(idle: Power, busy: Sequence[Power]) -> float:
    """Of the least-squares line through all of them."""
    points = [(count, power.power_w) for count, power in enumerate([idle, *busy])]
    middle = sum(count for count, _ in points) / len(points)
    mean = math.fsum(power for _, power in points) / len(points)
    rise = math.fsum((count - middle) * (power - mean) for count, power in points)
    return rise / math.fsum((count - middle) ** 2 for count, _ in points)
