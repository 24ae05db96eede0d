"""Hardware of nodes and coordinator: boards and batteries."""

from __future__ import annotations

from collections.abc import Mapping

from carbon_data.units import wh_to_joules
from coordinator.config import CoordinatorBody
from edge_node.config import (
    BatteryConfig,
    BoardConfig,
    TaskConfig,
)
from edge_node.energy.boards import load_board
from edge_node.tasks.none import WITHOUT_TASK
from edge_node.tasks.registry import find_task
from experiments.resolve.traces import (
    SECONDS_PER_DAY,
    coordinator_zone,
)
from experiments.scenario.model import Scenario
from experiments.scenario.places import BatterySpec, BoardSpec

AGGREGATE_FLOP_PER_PARAMETER = 2.0
"""Weighted averaging: one multiplication and one addition per parameter and participant."""


def board_at(scenario: Scenario, entry: int) -> BoardSpec:
    """Board of an entry of ``nodes``."""
    return _board_at(scenario, entry)[0]


def _board_at(scenario: Scenario, entry: int) -> tuple[BoardSpec, tuple[str | int, ...]]:
    """Board of an entry of ``nodes``, and where it is written."""
    own = scenario.nodes[entry].board
    return (scenario.board, ("board",)) if own is None else (own, ("nodes", entry, "board"))


def node_boards(scenario: Scenario, entries: tuple[int, ...]) -> tuple[tuple[BoardConfig, ...], list[str]]:
    notes: dict[str, None] = {}
    found: dict[int, BoardConfig] = {}
    for entry in dict.fromkeys(entries):
        spec, place = _board_at(scenario, entry)
        with scenario.at(*place):
            board, sources = board_of(spec)
        found[entry] = board
        notes.update(dict.fromkeys(f"{board.name}: {name}: {text}" for name, text in sources.items()))
    return tuple(found[entry] for entry in entries), list(notes)


def board_of(spec: BoardSpec) -> tuple[BoardConfig, Mapping[str, str]]:
    """The board with the scenario's own figures, and the source of each.

    Raises SourceError where a figure that its model needs is known from neither, or two contradict each other."""
    profile = load_board(spec.profile)
    changed = {key: value for key, value in spec.model_dump(exclude={"profile"}).items() if value is not None}
    return profile.config(changed), {
        **profile.sources(),
        **{key: f"{value}, as the scenario says" for key, value in changed.items()},
    }


def battery_of(scenario: Scenario, spec: BatterySpec, slot_s: float) -> BatteryConfig | None:
    if spec.capacity_wh == 0:
        return None
    step_s = scenario.time.trace_step_s
    scale = slot_s / step_s if scenario.time.scale_storage else 1.0
    return BatteryConfig(
        capacity_j=wh_to_joules(spec.capacity_wh) * scale,
        initial_fraction=spec.initial_fraction,
        charge_efficiency_fraction=spec.charge_efficiency_fraction,
        discharge_efficiency_fraction=spec.discharge_efficiency_fraction,
        # Compounded: as much is left after a day of traces as after a day of real time.
        self_discharge_fraction=1.0
        - (1.0 - spec.self_discharge_fraction_per_day) ** (step_s / SECONDS_PER_DAY),
        charge_limit_w=spec.charge_limit_w,
        discharge_limit_w=spec.discharge_limit_w,
    )


def coordinator_body(scenario: Scenario, task: TaskConfig) -> CoordinatorBody:
    with scenario.at("coordinator", "board"):
        board, _ = board_of(scenario.coordinator.board)
    joules_per_flop = (board.busy_w - board.static_w) / board.effective_flop_per_s
    return CoordinatorBody(
        zone=coordinator_zone(scenario),
        static_w=board.static_w,
        joules_per_aggregated_parameter=AGGREGATE_FLOP_PER_PARAMETER * joules_per_flop,
        joules_per_evaluated_example=0.0
        if task.name in WITHOUT_TASK
        else find_task(task.name).flop().forward * joules_per_flop,
        router_w=scenario.network.router_w,
    )
