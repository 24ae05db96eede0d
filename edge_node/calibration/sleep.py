"""Sleep and wake of a board: cycles of its actuator, read by its own meter, and the figures that they make."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from edge_node.actuators.actuator import ActuatorError
from edge_node.actuators.sleeper import Sensor, Sleeper
from edge_node.calibration.fit import WIDEST_FRACTION, Fitted
from edge_node.calibration.measure import SETTLE_S
from edge_node.calibration.reading import CalibrationError, Power, power_of
from edge_node.meters.base import MeterError
from edge_node.meters.sampling.student import quantile_95

MICRO = 1e6
ASLEEP = "asleep"
WIDEST_WAKE_FRACTION = 0.5
"""Likewise of a mean wake-up, which differs from one to the next."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """Down, some rest, up, some rest."""

    down_s: float
    """Wall seconds of falling asleep."""
    wake_s: float
    """Of waking up, until the board was ready."""
    asleep: Power | None = None
    """None: not read, see ``missing``."""
    asleep_bias_w: float = 0.0
    """The part of its interval that is the same in every cycle: the sensor's step."""
    wake_j: float | None = None
    """What was read of waking up, idle power included."""
    wake_half_width_j: float | None = None
    wake_bias_j: float = 0.0
    """Likewise of ``wake_j``."""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Spread:
    """Of a figure that was measured several times."""

    mean: float
    low: float
    high: float
    """Lowest and highest."""
    half_width: float | None
    """Half of the mean's 95 % interval; None of a single value."""


def cycle(sleeper: Sleeper, sensor: Sensor | None, hold_s: float) -> Cycle:
    """One cycle. Raises ActuatorError for what could not be switched."""
    sleeper.begin_slot()
    sleeper.wish(awake=False)
    sleeper.settle()
    if failed := (down := sleeper.outcome()).failed:
        raise ActuatorError(failed)
    asleep, bias_w, missing = _asleep(sensor, hold_s)
    sleeper.begin_slot()
    sleeper.wish(awake=True)
    sleeper.settle()
    outcome = sleeper.outcome()
    if outcome.failed or outcome.wake is None:
        raise ActuatorError(outcome.failed)
    reading = outcome.wake.reading
    time.sleep(hold_s)
    return Cycle(
        down_s=down.awake_s,
        wake_s=outcome.wake.seconds,
        asleep=asleep,
        asleep_bias_w=bias_w,
        wake_j=None if reading is None else reading.energy_uj / MICRO,
        wake_half_width_j=None if reading is None else reading.half_width_uj / MICRO,
        wake_bias_j=0.0 if reading is None else reading.bias_uj / MICRO,
        missing=missing or outcome.wake.missing,
    )


def _asleep(sensor: Sensor | None, hold_s: float) -> tuple[Power | None, float, str]:
    """Power of the sleeping board, the part of its interval that is the same in every cycle, or why it was not read."""
    settle_s = min(
        SETTLE_S, hold_s / 2
    )  # what the sensor shows, and the board's supply, follow a little later
    time.sleep(settle_s)
    begin = None if sensor is None else sensor.edge()
    time.sleep(hold_s - settle_s)
    if sensor is None:
        return None, 0.0, ""
    end = sensor.edge()
    try:
        reading = sensor.window(begin, end)
    except MeterError as error:
        return None, 0.0, str(error)
    finally:
        sensor.forget(end)
    power = power_of(ASLEEP, reading)
    return power, reading.bias_uj / MICRO / power.duration_s, ""


def spread(values: Sequence[float]) -> Spread | None:
    """None of nothing."""
    if not values:
        return None
    half = None
    if len(values) > 1:
        half = quantile_95(len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return Spread(statistics.fmean(values), min(values), max(values), half)


def sleep_figures(cycles: Sequence[Cycle], static_w: float, static_half_w: float) -> dict[str, Fitted]:
    """``sleep_w``, ``wake_s`` and ``wake_j`` (above static power) of a board's profile. Raises CalibrationError, by the
    figure's name."""
    asleep = [each.asleep for each in cycles if each.asleep is not None]
    if len(asleep) < len(cycles):
        raise CalibrationError(
            f"sleep_w: no reading of the sleeping board in {len(cycles) - len(asleep)} of {len(cycles)} cycles: "
            f"{next(each.missing for each in cycles if each.asleep is None)}; does the meter outlast its sleep? "
            "Hold each longer (--hold), or name a board that draws as little asleep (--board)"
        )
    sleep = _fitted([power.power_w for power in asleep], [each.asleep_bias_w for each in cycles])
    if sleep.high is not None and sleep.high >= static_w:
        raise CalibrationError(
            f"sleep_w: {sleep.value:.4g} W, up to {sleep.high:.4g} W by its 95 % interval; idle {static_w:.4g} W: the "
            "meter sees no sleep; is it the meter of this board?"
        )
    if sleep.high is not None and sleep.high - sleep.value > WIDEST_FRACTION * (static_w - sleep.value):
        raise CalibrationError(
            f"sleep_w: {sleep.value:.4g} W +- {sleep.high - sleep.value:.2g} W: the interval is wider than "
            f"{WIDEST_FRACTION:.0%} of what sleeping saves; hold each longer (--hold), or more cycles (--cycles)"
        )
    wake_s = _fitted([each.wake_s for each in cycles], [0.0] * len(cycles))
    _check_wake("wake_s", wake_s, wake_s.value, "s")
    return {"sleep_w": sleep, "wake_s": wake_s, "wake_j": _wake_j(cycles, static_w, static_half_w)}


def _wake_j(cycles: Sequence[Cycle], static_w: float, static_half_w: float) -> Fitted:
    """Of waking up above static power, whose error is the same in every cycle."""
    known = [each for each in cycles if each.wake_j is not None]
    if len(known) < len(cycles):
        why = next(each.missing for each in cycles if each.wake_j is None)
        raise CalibrationError(
            f"wake_j: no reading of {len(cycles) - len(known)} of {len(cycles)} wake-ups: {why}; use a faster meter"
        )
    total_j = [each.wake_j or 0.0 for each in known]
    above_j = [joules - static_w * each.wake_s for joules, each in zip(total_j, known, strict=True)]
    common_j = static_half_w * statistics.fmean(each.wake_s for each in known)
    found = _fitted(above_j, [each.wake_bias_j for each in known], common_j)
    _check_wake("wake_j", found, statistics.fmean(total_j), "J")
    return Fitted(
        max(0.0, found.value),
        found.low,
        None if found.high is None else max(0.0, found.high),
        f"above static power; {statistics.fmean(total_j):.4g} J in all",
    )


def _fitted(values: Sequence[float], biases: Sequence[float], common: float = 0.0) -> Fitted:
    """Mean with its interval: the spread from cycle to cycle, in which the readings' noise is, and what is the same in
    all cycles. A window's own interval is not used: after a change of load the sampler's memory makes it wide."""
    found = spread(values)
    assert found is not None
    if found.half_width is None:
        return Fitted(found.mean, None, None)
    half = math.hypot(found.half_width, statistics.fmean(biases), common)
    return Fitted(found.mean, found.mean - half, found.mean + half)


def _check_wake(name: str, found: Fitted, whole: float, unit: str) -> None:
    half = 0.0 if found.high is None else found.high - found.value
    if half > WIDEST_WAKE_FRACTION * whole:
        raise CalibrationError(
            f"{name}: {found.value:.4g} {unit} +- {half:.2g} {unit}: the interval is wider than "
            f"{WIDEST_WAKE_FRACTION:.0%} of a whole wake-up ({whole:.4g} {unit}); measure more cycles (--cycles), or "
            "with a faster meter"
        )
