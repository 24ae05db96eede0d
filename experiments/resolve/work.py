"""The work of a run: learned and served, or, without learning, counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edge_node.config import BoardConfig, DemandConfig, LanguageConfig, TaskConfig
from edge_node.energy.power_model import PowerModel
from experiments.resolve.app import FoundApp, app_task, find_app, rounds_demand
from experiments.resolve.boards import board_of
from experiments.resolve.demand import no_task, node_demands, slot_s
from experiments.resolve.language import (
    language_of,
    language_seconds,
    language_task,
    model_origin,
)
from experiments.resolve.slot_length import (
    development_work,
    services_share,
    slot_length_s,
    work_by_stage_s,
)
from experiments.resolve.tasks import learned_tasks
from experiments.scenario.model import Scenario
from protos.messages.terms import Stage


@dataclass(frozen=True)
class Work:
    """What the nodes do in a slot, and how long a slot is."""

    task: TaskConfig
    recycling: TaskConfig | None
    origin_of_data: str
    batches: tuple[int, ...]
    """(N,) of a development slot; without learning, of the fullest. Empty of a language model, whose batches follow
    from when its requests come."""
    seconds: dict[Stage, list[float]]
    """(N,) that each node's board needs for its own work of a slot, by stage."""
    slot_s: float
    demands: tuple[DemandConfig | None, ...]
    origins: dict[str, dict[str, Any]] = field(default_factory=dict)
    app: FoundApp | None = None
    """A user's Flower app, where the scenario has one."""
    language: LanguageConfig | None = None
    """A language model that is served, where the scenario has one."""


def learned_work(scenario: Scenario, boards: tuple[BoardConfig, ...]) -> Work:
    """Work of a task with data and a model."""
    task, recycling, origin = learned_tasks(scenario, len(boards))
    batches, development_s = development_work(scenario, task, boards)
    seconds = work_by_stage_s(scenario, boards, task, batches, development_s)
    shares = services_share(scenario, boards, task)
    length_s = slot_length_s(scenario, scenario.stages.slots(), seconds, shares)
    return Work(task, recycling, origin, batches, seconds, length_s, (None,) * len(boards))


def app_work(scenario: Scenario, boards: tuple[BoardConfig, ...]) -> Work:
    """Rounds of a user's Flower app."""
    found = find_app(scenario, len(boards))
    demands = rounds_demand(scenario, boards)
    batches = tuple(max(demand.batches) for demand in demands)
    seconds = {Stage.DEVELOPMENT: _seconds(boards, demands, batches)}
    task = app_task(scenario, found, len(boards))
    origin = f"of the app {found.folder or found.nodes.client_app}"
    return Work(task, None, origin, batches, seconds, slot_s(scenario), demands, app=found)


def _seconds(
    boards: tuple[BoardConfig, ...], demands: tuple[DemandConfig, ...], batches: tuple[int, ...]
) -> list[float]:
    return [
        PowerModel(board).busy_s(count * demand.flop_per_batch)
        for board, demand, count in zip(boards, demands, batches, strict=True)
    ]


def language_work(scenario: Scenario, boards: tuple[BoardConfig, ...]) -> Work:
    """Requests to a language model."""
    config = language_of(scenario)
    nothing = [0.0] * len(boards)
    busy_s = language_seconds(scenario, config, boards)
    seconds = {Stage.DEVELOPMENT: nothing, Stage.APPLICATION: busy_s}
    # Requests a second are the same share of a slot of any length: it is then as long as the traces advance.
    length_s = (
        slot_length_s(scenario, scenario.stages.slots(), seconds, nothing) or scenario.time.trace_step_s
    )
    task = language_task(scenario, config, len(boards))
    demands = (None,) * len(boards)
    return Work(task, None, model_origin(config), (), seconds, length_s, demands, language=config)


def counted_work(scenario: Scenario, entries: tuple[int, ...], boards: tuple[BoardConfig, ...]) -> Work:
    """Work of ``[demand]``."""
    with scenario.at("board"):
        standard, _ = board_of(scenario.board)
    demands, origins = node_demands(scenario, entries, boards, standard, len(scenario.stages.slots()))
    batches = tuple(max(each.batches, default=0) for each in demands)
    seconds = {Stage.DEVELOPMENT: _seconds(boards, demands, batches)}
    task = no_task(scenario, len(boards))
    return Work(task, None, "no data", batches, seconds, slot_s(scenario), demands, origins)
