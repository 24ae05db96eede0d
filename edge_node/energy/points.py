"""Operating points of a board (DVFS): clock, watts and speed of each, with a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge_node.config import OperatingPoint
from edge_node.energy.sourced import SourceError

POINTS = "points"
"""Key of a board's table that lists them."""
_NUMBERS = ("frequency_khz", "speed_fraction", "busy_w", "idle_w")
_NEEDED = ("frequency_khz", "speed_fraction", "busy_w", "source")
_ALLOWED = {*_NUMBERS, "source", "note"}
_SAME = 1e-6
"""Relative difference up to which two powers are the same."""


def points_of(
    document: dict[str, Any], where: str
) -> tuple[tuple[OperatingPoint, ...], tuple[tuple[str, str], ...]]:
    """Take the operating points out of a board's table: the points, fastest first, and what each is from.

    Args:
        document: The board's table; its key ``points`` is removed.
        where: Name of the table for messages.

    Raises:
        SourceError: a point lacks a number or its source, or they are in no order.
    """
    rows = document.pop(POINTS, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SourceError(f"{where}: {POINTS} is no list; write [[{POINTS}]] before each operating point")
    points = tuple(_point(row, f"{where}: operating point {k + 1}") for k, row in enumerate(rows))
    speeds = [point.speed_fraction for point in points]
    if points and (speeds[0] != 1.0 or sorted(set(speeds), reverse=True) != speeds):
        raise SourceError(
            f"{where}: operating points have speed_fraction {speeds}; allowed is the fastest first, with 1, and each "
            "slower than the one before"
        )
    names = [f"{point.frequency_khz / 1e3:g} MHz" for point in points]
    return points, tuple((name, row["source"]) for name, row in zip(names, rows, strict=True))


def check_points(board: str, values: Mapping[str, float], points: Sequence[OperatingPoint]) -> None:
    """Raises SourceError where the fastest point is not the board at its full speed, or one draws less than idle."""
    if not points:
        return
    static_w, busy_w = values["static_w"], values["busy_w"]
    first = points[0]
    for name, own, of_point in (
        ("busy_w", busy_w, first.busy_w),
        ("idle_w", static_w, static_w if first.idle_w is None else first.idle_w),
    ):
        if abs(own - of_point) > _SAME * max(own, of_point):
            raise SourceError(
                f"board {board}: the fastest operating point has {name} {of_point:g} W and the board {own:g} W; give "
                "the same, or no operating points"
            )
    for point in points:
        idle_w = static_w if point.idle_w is None else point.idle_w
        if point.busy_w < idle_w:
            raise SourceError(
                f"board {board}: at {point.frequency_khz} kHz busy_w {point.busy_w:g} W is below the idle power, "
                f"{idle_w:g} W; busy includes idle, so give at least as much"
            )


def _point(row: dict[str, Any], where: str) -> OperatingPoint:
    if lacking := [name for name in _NEEDED if name not in row]:
        raise SourceError(f"{where} lacks {', '.join(lacking)}")
    if unknown := sorted(row.keys() - _ALLOWED):
        raise SourceError(f"{where} has {', '.join(unknown)}; allowed are {', '.join(sorted(_ALLOWED))}")
    if not isinstance(row["source"], str) or not row["source"].strip():
        raise SourceError(f"{where} has no source; say where its numbers come from")
    for name in _NUMBERS:
        value = row.get(name, 1.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise SourceError(f"{where} has {name} {value!r}; allowed is a finite number above 0")
    if row["speed_fraction"] > 1:
        raise SourceError(f"{where} has speed_fraction {row['speed_fraction']:g}; allowed is up to 1")
    return OperatingPoint(**{name: row[name] for name in _NUMBERS if name in row})
