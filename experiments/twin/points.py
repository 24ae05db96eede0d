"""Operating points at which the nodes of a run worked, in the profiles that price its twin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coordinator.tables.recorded import RecordedRun
from edge_node.config import BoardConfig
from edge_node.energy.power_model import PowerModel
from experiments.errors import UsageError

KHZ_PER_MHZ = 1e3
SAME = 1e-9
"""Relative difference up to which two figures of a point are the same."""


def chosen_point(run: RecordedRun, slot: int, node: str) -> Mapping[str, Any] | None:
    """The point, as the node registered it, at which it worked in a slot; None where no clock was chosen."""
    points = _registered(run, node)
    decision = run.decision_of(slot, node)
    if len(points) < 2 or decision is None:
        return None
    found: Mapping[str, Any] = points[decision.get("point", 0)]
    return found


def at_point(board: BoardConfig, point: Mapping[str, Any] | None) -> BoardConfig:
    """The profile at the clock of ``point``. Raises KeyError where it has no such clock."""
    return board if point is None else board.at(_clocks(board)[point["frequency_khz"]])


def require_points(run: RecordedRun, boards: Mapping[str, BoardConfig]) -> None:
    """Raises UsageError where a node worked at a clock that its profile does not have."""
    for node, board in boards.items():
        chosen = (chosen_point(run, slot, node) for slot in sorted(run.decisions))
        wanted = {point["frequency_khz"] for point in chosen if point is not None}
        lacking = sorted(wanted - _clocks(board).keys())
        if lacking:
            raise UsageError(
                f"{node} worked at {_in_words(lacking)}, and profile {board.name} has "
                f"{_in_words(_clocks(board)) or 'no operating points'}: watts and speed at that clock are not known. "
                "Add the points to the profile ([[points]]), or name another with --profile NODE=PATH"
            )


def changed_points(run: RecordedRun, node: str, board: BoardConfig) -> bool:
    """Whether a point that the node registered is another one in the profile by now."""
    now = {cost.frequency_khz: cost for cost in PowerModel(board).points()}
    return any(
        each["frequency_khz"] in now
        and any(
            abs(each[name] - getattr(now[each["frequency_khz"]], name)) > SAME * abs(each[name])
            for name in ("speed_fraction", "energy_times", "static_w")
        )
        for each in _registered(run, node)
    )


def _registered(run: RecordedRun, node: str) -> list[Mapping[str, Any]]:
    return list(run.registrations.get(node, {}).get("profile", {}).get("points", ()))


def _clocks(board: BoardConfig) -> dict[int, int]:
    """Number of each point by its clock in kHz."""
    return {point.frequency_khz: number for number, point in enumerate(board.points)}


def _in_words(clocks_khz: Mapping[int, int] | list[int]) -> str:
    return ", ".join(f"{khz / KHZ_PER_MHZ:g} MHz" for khz in clocks_khz)
