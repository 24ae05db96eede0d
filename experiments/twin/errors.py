"""Errors of the twin: windows added up by node and activity, with the meter's interval. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from carbon_data.intervals import of_sensors, of_windows
from carbon_data.units import MICRO, from_micro
from experiments.twin.replay import ASLEEP, IDLE, Window
from protos.messages.terms import Stage

ALL = "all"
"""Of all nodes, or all activities."""
ACTIVITIES = (*(str(stage) for stage in Stage if stage is not Stage.UNALLOCATED), IDLE, ASLEEP)
"""In the order of the tables."""


@dataclass(frozen=True, slots=True)
class Errors:
    """Some windows and their twins. Errors are twin less measured."""

    node_id: str
    activity: str
    windows: int
    measured_j: float
    half_width_j: float | None
    """Half of the meters' 95 % interval; None where a window has none."""
    twin_j: float
    twin_window_j: float
    """The same work in as many seconds as the readings' windows had: what is left is the error of powers."""
    absolute_error_j: float
    """Sum of the errors of single windows, each without its sign."""
    judged: int
    """Windows with an interval."""
    inside: int
    """Those whose twin lies in it."""
    window_s: float | None
    """None unless all windows have a length."""
    twin_s: float
    busy_s: float | None
    """Of the windows that have measured seconds of work; None where there are none."""
    twin_busy_s: float | None
    """Of the same."""
    wakes: int
    """Measured wake-ups."""
    wake_s: float | None
    twin_wake_s: float | None
    least_coverage_fraction: float | None
    gaps: int

    @property
    def error_j(self) -> float:
        return self.twin_j - self.measured_j

    @property
    def error_fraction(self) -> float | None:
        """Signed; its mean over windows, weighted by their joules, is the same."""
        return _share(self.error_j, self.measured_j)

    @property
    def window_error_fraction(self) -> float | None:
        """Likewise of ``twin_window_j``."""
        return _share(self.twin_window_j - self.measured_j, self.measured_j)

    @property
    def mean_absolute_error_fraction(self) -> float | None:
        return _share(self.absolute_error_j, self.measured_j)

    @property
    def within(self) -> bool | None:
        """Whether the twin lies in the meters' interval; None without one."""
        return None if self.half_width_j is None else abs(self.error_j) <= self.half_width_j

    @property
    def window_within(self) -> bool | None:
        """Likewise of ``twin_window_j``."""
        if self.half_width_j is None:
            return None
        return abs(self.twin_window_j - self.measured_j) <= self.half_width_j

    @property
    def inside_fraction(self) -> float | None:
        return _share(self.inside, self.judged)

    @property
    def time_error_fraction(self) -> float | None:
        """Of the windows' length."""
        return None if self.window_s is None else _share(self.twin_s - self.window_s, self.window_s)

    @property
    def busy_error_fraction(self) -> float | None:
        """Of the seconds of work."""
        if self.busy_s is None or self.twin_busy_s is None:
            return None
        return _share(self.twin_busy_s - self.busy_s, self.busy_s)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def errors_of(windows: Sequence[Window], node_id: str = ALL, activity: str = ALL) -> Errors:
    """Of all ``windows``, of which there is at least one."""
    pairs = [(each.measured_uj, each.half_width_uj, each.twin_uj) for each in windows]
    judged = [(measured, half, twin) for measured, half, twin in pairs if half is not None]
    timed = [(each.busy_s, each.twin_busy_s) for each in windows if each.busy_s is not None]
    woken = [(each.wake_s, each.twin_wake_s) for each in windows if each.wake_s is not None]
    lengths = [each.window_s for each in windows if each.window_s is not None]
    covered = [each.coverage_fraction for each in windows if each.coverage_fraction is not None]
    return Errors(
        node_id=node_id,
        activity=activity,
        windows=len(windows),
        measured_j=from_micro(sum(measured for measured, _, _ in pairs)),
        half_width_j=_half_width_j(windows),
        twin_j=from_micro(sum(twin for _, _, twin in pairs)),
        twin_window_j=from_micro(sum(each.twin_window_uj for each in windows)),
        absolute_error_j=from_micro(sum(abs(twin - measured) for measured, _, twin in pairs)),
        judged=len(judged),
        inside=sum(abs(twin - measured) <= half for measured, half, twin in judged),
        window_s=math.fsum(lengths) if len(lengths) == len(windows) else None,
        twin_s=math.fsum(each.twin_s for each in windows),
        busy_s=math.fsum(measured for measured, _ in timed) if timed else None,
        twin_busy_s=math.fsum(twin for _, twin in timed) if timed else None,
        wakes=len(woken),
        wake_s=math.fsum(measured for measured, _ in woken) if woken else None,
        twin_wake_s=math.fsum(twin for _, twin in woken) if woken else None,
        least_coverage_fraction=min(covered, default=None),
        gaps=sum(each.gaps or 0 for each in windows),
    )


def _half_width_j(windows: Iterable[Window]) -> float | None:
    """Windows of a node as carbon_data.intervals says; nodes err independently."""
    by_node: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for each in windows:
        if each.half_width_uj is None:
            return None
        by_node[each.node_id].append((each.half_width_uj, each.bias_uj or 0))
    return of_sensors(of_windows(own)[0] for own in by_node.values()) / MICRO


def by_node_and_activity(windows: Sequence[Window]) -> list[Errors]:
    """Every node by activity and in all, then all nodes likewise."""
    names = list(dict.fromkeys(each.node_id for each in windows))
    rows = [row for name in names for row in _by_activity([w for w in windows if w.node_id == name], name)]
    return [*rows, *_by_activity(windows, ALL)]


def by_clock(windows: Sequence[Window]) -> list[tuple[float, Errors]]:
    """(MHz, errors) of all nodes' work at each operating point, the slowest first; [] where no clock was chosen.
    Windows without work say nothing of a clock's speed and are left out."""
    found = _grouped(
        [each for each in windows if each.frequency_mhz is not None and each.activity not in (IDLE, ASLEEP)],
        lambda window: f"{window.frequency_mhz:g}",
    )
    return [(float(clock), errors_of(found[clock])) for clock in sorted(found, key=float)]


def _by_activity(windows: Sequence[Window], name: str) -> list[Errors]:
    found = _grouped(windows, lambda window: window.activity)
    rows = [errors_of(found[each], name, each) for each in ACTIVITIES if each in found]
    return [*rows, errors_of(windows, name)]


def _grouped(windows: Sequence[Window], key: Callable[[Window], str]) -> dict[str, list[Window]]:
    found: dict[str, list[Window]] = defaultdict(list)
    for each in windows:
        found[key(each)].append(each)
    return found


@dataclass(frozen=True, slots=True)
class LineErrors:
    """One stage and component of all nodes. The reading's part is as the run's own profile divided it."""

    stage: str
    component: str
    measured_j: float
    twin_j: float


def by_line(windows: Sequence[Window]) -> list[LineErrors]:
    """In the ledger's order of stages, largest component first."""
    measured: dict[tuple[str, str], int] = defaultdict(int)
    twin: dict[tuple[str, str], int] = defaultdict(int)
    for each in windows:
        for key, amount_uj in each.lines.items():
            measured[key] += amount_uj
        for key, amount_uj in each.twin_lines.items():
            twin[key] += amount_uj
    order = [str(stage) for stage in Stage]
    keys = sorted(
        {*measured, *twin}, key=lambda key: (order.index(key[0]), -max(measured[key], twin[key]), key[1])
    )
    return [LineErrors(*key, from_micro(measured[key]), from_micro(twin[key])) for key in keys]
