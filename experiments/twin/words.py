"""A twin in words: what page and terminal say alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from edge_node.meters.replay import ReplayMeter
from experiments.report import units
from experiments.report.study_page import Shown
from experiments.twin.errors import ALL, Errors, LineErrors
from experiments.twin.replay import TIMED, LeftOut, Window
from protos.messages.terms import MeterKind

Fact = tuple[str, str, str]
"""What, value, and ``met``, ``not`` or nothing."""
ROWS_AT_MOST = 200
NAMED = 12
"""Slots of a node that a sentence names."""
EXPLAINED = (
    "Errors are twin less measured, as a share of what was measured: above zero the twin uses more, or takes longer.",
    "The twin's energy is that of the modelled meter for the work that the ledger says was done: batches run and "
    "moved, models, requests, bytes of users and of markets, sleep and wake-ups, each slot as long as the scenario "
    "says. Nothing is decided again.",
    "“Same seconds” prices the same work in as many seconds as the meter's windows had: what is left is the error of "
    "powers, and the rest of the error is that of the slots' length.",
    "± is the meter's 95 % interval by its samples. The sensor's calibration is not in it: where the profile was "
    "measured with the same meter it errs in both alike and does not show here. Compare with another meter to see it.",
    "Idle and asleep are windows in which a node did no work. How a window in which it worked divides over components "
    "is the model of the run's own profile, not a reading.",
)


def signed(fraction: float | None) -> str:
    """A fraction in percent, always with its sign."""
    text = units.percent(fraction, 2)
    return text if fraction is None or fraction <= 0 else f"+{text}"


def in_words(within: bool | None) -> str:
    return "no interval" if within is None else "yes" if within else "no"


def verdict(within: bool | None) -> str:
    return "" if within is None else "met" if within else "not"


def joules(row: Errors) -> str:
    """Measured, with its interval."""
    half = "" if row.half_width_j is None else f" ± {units.joules(row.half_width_j, 2)}"
    return f"{units.joules(row.measured_j, 4)}{half}"


def lead(whole: Errors, nodes: int, slots: int) -> str:
    judged = {
        True: ", within the meters' 95 % interval",
        False: ", outside of the meters' 95 % interval",
        None: "",
    }
    return (
        f"{nodes} {'node' if nodes == 1 else 'nodes'}, {slots} {'slot' if slots == 1 else 'slots'}: the twin uses "
        f"{units.joules(whole.twin_j, 4)}, read were {joules(whole)}: "
        f"{signed(whole.error_fraction)}{judged[whole.within]}."
    )


def facts(whole: Errors, asked: int) -> list[Fact]:
    """``asked``: node slots that were decided."""
    found: list[Fact] = [
        ("energy, measured", joules(whole), ""),
        ("energy of the twin", units.joules(whole.twin_j, 4), ""),
        ("signed error of energy", signed(whole.error_fraction), ""),
        ("mean absolute error of a window", units.percent(whole.mean_absolute_error_fraction, 2), ""),
        ("twin within the meters' 95 % interval", in_words(whole.within), verdict(whole.within)),
    ]
    if whole.judged:
        found.append(
            ("windows whose twin is within theirs", _of(whole.inside, whole.judged, "with an interval"), "")
        )
    if whole.window_s is not None:
        same = whole.window_within
        found += [
            ("error in the same seconds (powers alone)", signed(whole.window_error_fraction), ""),
            ("in the same seconds within the interval", in_words(same), verdict(same)),
            ("length of the slots", _times(whole.window_s, whole.twin_s, whole.time_error_fraction), ""),
        ]
    if whole.busy_s is not None:
        found.append(
            ("seconds of work", _times(whole.busy_s, whole.twin_busy_s, whole.busy_error_fraction), "")
        )
    if whole.wake_s is not None:
        found.append((f"waking up ({whole.wakes} times)", _times(whole.wake_s, whole.twin_wake_s, None), ""))
    found.append(("node slots compared", _of(whole.windows, asked, "decided"), ""))
    if whole.least_coverage_fraction is not None:
        covered = units.percent(whole.least_coverage_fraction)
        found.append(("meters", f"{units.count(whole.gaps)} gaps; the least covered window to {covered}", ""))
    return found


def _of(part: int, whole: int, what: str) -> str:
    share = f" ({units.percent(part / whole)})" if whole else ""
    return f"{units.count(part)} of {units.count(whole)} {what}{share}"


def _times(measured_s: float, twin_s: float | None, error: float | None) -> str:
    more = "" if error is None else f": {signed(error)}"
    return f"{units.seconds(measured_s, 4)} measured, {units.seconds(twin_s, 4)} twin{more}"


def table(rows: Sequence[Errors], names: Mapping[str, str]) -> Shown:
    """By node and activity. ``names``: node -> id with zone."""
    columns = [
        *("node", "activity", "windows", "measured", "twin", "error", "mean |error|", "within ±"),
        *("windows within", "same seconds", "slots' length", "work"),
    ]
    return Shown(
        columns,
        [
            [
                "all nodes" if row.node_id == ALL else names[row.node_id],
                row.activity,
                units.count(row.windows),
                joules(row),
                units.joules(row.twin_j, 4),
                signed(row.error_fraction),
                units.percent(row.mean_absolute_error_fraction, 2),
                in_words(row.within),
                units.percent(row.inside_fraction, 0),
                signed(row.window_error_fraction),
                signed(row.time_error_fraction),
                signed(row.busy_error_fraction),
            ]
            for row in rows[-ROWS_AT_MOST:]
        ],
    )


def clock_table(rows: Sequence[tuple[float, Errors]]) -> Shown:
    """By operating point, of windows with work."""
    return Shown(
        [
            "clock",
            "windows",
            "measured",
            "twin",
            "error",
            "same seconds",
            "work, measured",
            "work, twin",
            "work",
        ],
        [
            [
                f"{clock_mhz:g} MHz",
                units.count(row.windows),
                joules(row),
                units.joules(row.twin_j, 4),
                signed(row.error_fraction),
                signed(row.window_error_fraction),
                units.seconds(row.busy_s, 4),
                units.seconds(row.twin_busy_s, 4),
                signed(row.busy_error_fraction),
            ]
            for clock_mhz, row in rows
        ],
    )


def line_table(rows: Sequence[LineErrors]) -> Shown:
    return Shown(
        ["stage", "component", "reading, as divided", "twin", "difference"],
        [
            [
                row.stage,
                row.component,
                units.joules(row.measured_j, 4),
                units.joules(row.twin_j, 4),
                units.joules(row.twin_j - row.measured_j),
            ]
            for row in rows
        ],
    )


def left_out(found: Sequence[LeftOut], names: Mapping[str, str]) -> list[str]:
    """One sentence a node and reason."""
    counted = Counter((each.node_id, each.why) for each in found)
    said = []
    for (node, why), count in counted.items():
        slots = [str(each.slot) for each in found if (each.node_id, each.why) == (node, why)]
        more = ", ..." if count > NAMED else ""
        said.append(
            f"{names[node]}: {count} {'slot' if count == 1 else 'slots'} left out, {why}: "
            f"{', '.join(slots[:NAMED])}{more}"
        )
    return said


def of_meters(windows: Sequence[Window], names: Mapping[str, str]) -> list[str]:
    """What readings without an interval are."""
    said = []
    for meter in dict.fromkeys(each.meter for each in windows):
        own = [each for each in windows if each.meter == meter]
        nodes = ", ".join(list(dict.fromkeys(names[each.node_id] for each in own))[:NAMED])
        if meter in TIMED:
            said.append(
                f"{nodes}: {meter} measures seconds of work; its watts are those of the run's own profile, so that its "
                "errors of energy are those of time, and of the profile where another one is given"
            )
        elif any(each.kind == MeterKind.ESTIMATE for each in own):
            said.append(
                f"{nodes}: {meter} is an estimate, which leaves out a part of the board: its errors are no findings"
            )
        elif meter == ReplayMeter.name:
            said.append(
                f"{nodes}: readings were recorded earlier; what was done in this run did not change them"
            )
    return said


def slots_unlike(whole: Errors, wall: bool) -> str:
    """Where slots lasted otherwise than the scenario says, errors of energy are mostly those of time. ``wall``: the run
    was on the wall clock."""
    error = whole.time_error_fraction
    if error is None or abs(error) < 0.05:
        return ""
    mend = (
        "choose longer slots (time.slot_s) where `overrun_s` of the decisions says that work took longer"
        if wall
        else 'run with time.clock = "wall"'
    )
    return (
        f"Slots lasted {units.seconds(whole.window_s)} in all by the meters and {units.seconds(whole.twin_s)} by the "
        f"virtual clock: idle energy differs by as much. See the error in the same seconds, or {mend}."
    )
