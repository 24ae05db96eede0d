"""Runs without learning (``task.name = "none"``): what they refuse, and every node's demand in whole batches."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carbon_data.sources.registry import harvest_source
from edge_node.config import BoardConfig, DemandConfig, TaskConfig
from edge_node.energy.power_model import PowerModel
from edge_node.tasks.none import NAME
from experiments.errors import UsageError
from experiments.resolve.origins import origin_dict
from experiments.scenario.keys import refuse_doubled
from experiments.scenario.model import Scenario
from experiments.scenario.names import node_name
from experiments.scenario.places import DemandSpec
from experiments.scenario.work import TaskSpec
from protos.messages.terms import Stage

BATCHES_PER_SLOT = 60
"""Batches of a slot in which a board is busy all the time, unless the scenario says how large a batch is (choice)."""
MAX_BATCHES_PER_SLOT = 1_000_000
WHOLE = 1e-9
"""Share of a batch by which a sum of demands may miss a whole number."""
TASK_KEYS = ("name", "data", "round_deadline_s")
"""Keys of ``[task]`` that a run without learning may have."""


def learns_nothing(scenario: Scenario) -> bool:
    return scenario.task.name == NAME


def refuse_learning(scenario: Scenario) -> None:
    """Raises UsageError for what has no effect without learning, or has none with it."""
    if not learns_nothing(scenario):
        _refuse_demand(scenario)
        return
    for stage in Stage:
        if stage not in (Stage.DEVELOPMENT, Stage.UNALLOCATED) and getattr(scenario.stages, stage.value):
            with scenario.at("stages", stage.value):
                raise UsageError(
                    f'a run with task.name = "{NAME}" learns and serves nothing: its slots are those of development. '
                    f"Remove {stage.value}, or choose a task"
                )
    if scenario.inference.services:
        with scenario.at("inference", "services", 0):
            raise UsageError(
                f'nothing is served with task.name = "{NAME}"; remove the service, or choose a task'
            )
    for key, field in TaskSpec.model_fields.items():
        value = getattr(scenario.task, key)
        if key not in TASK_KEYS and value != field.default:
            with scenario.at("task", key):
                raise UsageError(
                    f'{key} has no effect with name = "{NAME}", where [demand] says what work there is; remove it'
                )
    for k, node in enumerate(scenario.nodes):
        for key in ("flop_per_batch", "bytes_per_batch") if node.demand is not None else ():
            value = getattr(node.demand, key)
            if value not in (getattr(scenario.demand, key), DemandSpec.model_fields[key].default):
                with scenario.at("nodes", k, "demand", key):
                    raise UsageError(
                        f"a batch costs the same operations and bytes wherever it runs: give {key} in [demand] only"
                    )
    if scenario.task.data not in (NAME, "auto"):
        with scenario.at("task", "data"):
            raise UsageError(f'data = "{scenario.task.data}" has no effect with name = "{NAME}"; remove it')


def _refuse_demand(scenario: Scenario) -> None:
    places: list[tuple[tuple[str | int, ...], DemandSpec]] = [(("demand",), scenario.demand)]
    places += [
        (("nodes", k, "demand"), node.demand)
        for k, node in enumerate(scenario.nodes)
        if node.demand is not None
    ]
    for place, spec in places:
        if spec != DemandSpec():
            with scenario.at(*place):
                raise UsageError(
                    f'[demand] is for runs that learn nothing, task.name = "{NAME}"; with task {scenario.task.name} '
                    "the task says what work there is: remove the table"
                )


def no_task(scenario: Scenario, nodes: int) -> TaskConfig:
    """What stands in place of a task in configurations: a name."""
    return TaskConfig(
        name=NAME,
        data=NAME,
        batch_size=1,
        batches_per_slot=1,
        learning_rate=scenario.task.learning_rate,
        partitions=nodes,
        partition_index=0,
        seed=scenario.seed,
    )


def slot_s(scenario: Scenario) -> float:
    """Length of a slot: as the scenario says; ``auto``: as far as the traces advance, for there is no work that a slot
    would have to be long enough for."""
    given = scenario.time.slot_s
    return scenario.time.trace_step_s if given == "auto" else given


def counted_flop(scenario: Scenario, standard: BoardConfig) -> float:
    """Operations of a batch of ``[demand]``. ``standard``: the scenario's board."""
    return (
        scenario.demand.flop_per_batch or standard.effective_flop_per_s * slot_s(scenario) / BATCHES_PER_SLOT
    )


def node_demands(
    scenario: Scenario,
    entries: tuple[int, ...],
    boards: tuple[BoardConfig, ...],
    standard: BoardConfig,
    slots: int,
) -> tuple[tuple[DemandConfig, ...], dict[str, dict[str, Any]]]:
    """Every node's demand, and the origins of traces. ``entries``: the [[nodes]] table of every node; ``standard``: the
    scenario's board, by which batches are measured.

    Raises UsageError for demand that a board cannot have, DataError for a trace that cannot be read."""
    length_s = slot_s(scenario)
    origins: dict[str, dict[str, Any]] = {}
    traces: dict[int, tuple[NDArray[np.float64], dict[str, Any]]] = {}
    demands: list[DemandConfig] = []
    known: dict[tuple[int, BoardConfig], DemandConfig] = {}
    flop = counted_flop(scenario, standard)
    for i, (entry, board) in enumerate(zip(entries, boards, strict=True)):
        own = scenario.nodes[entry].demand
        spec = scenario.demand if own is None else own
        with scenario.at(*(("demand",) if own is None else ("nodes", entry, "demand"))):
            if spec.kind == "trace":
                if entry not in traces:
                    traces[entry] = _trace(scenario, spec, slots)
                origins[f"demand {node_name(i, len(entries))}"] = traces[entry][1]
            if (entry, board) not in known:
                batches = _whole(_wanted(spec, board, flop, length_s, slots, traces.get(entry)))
                known[entry, board] = DemandConfig(
                    flop_per_batch=flop, bytes_per_batch=scenario.demand.bytes_per_batch, batches=batches
                )
        demands.append(known[entry, board])
    return tuple(demands), origins


def _wanted(
    spec: DemandSpec,
    board: BoardConfig,
    flop: float,
    length_s: float,
    slots: int,
    trace: tuple[NDArray[np.float64], dict[str, Any]] | None,
) -> NDArray[np.float64]:
    """(T,) batches of every slot, not yet whole."""
    model = PowerModel(board)
    if spec.kind == "busy":
        return np.full(slots, spec.busy_fraction * length_s / model.busy_s(flop))
    if model.compute_j(flop) <= 0:
        raise UsageError(
            f"board {board.name} draws no more power while computing ({board.busy_w:g} W) than at rest, so that no "
            f'work draws {spec.peak_w:g} W; give board.busy_w, or demand.kind = "busy"'
        )
    assert spec.peak_w is not None
    power_w = np.full(slots, spec.peak_w) if trace is None else trace[0]
    if power_w.max() > model.dynamic_w:
        raise UsageError(
            f"demand of {power_w.max():g} W in slot {int(power_w.argmax())}; board {board.name} draws at most "
            f"{model.dynamic_w:g} W above its static power (busy_w - static_w): lower peak_w, or give a larger board"
        )
    with np.errstate(over="ignore"):  # too many batches, also infinitely many, are refused by their number
        return np.asarray(power_w * length_s / model.compute_j(flop))


def _whole(wanted: NDArray[np.float64]) -> tuple[int, ...]:
    """Whole batches with the same sum up to every slot, less than one batch apart."""
    if wanted.max(initial=0.0) > MAX_BATCHES_PER_SLOT:
        raise UsageError(
            f"{wanted.max():.4g} batches in a slot; allowed are up to {MAX_BATCHES_PER_SLOT}: raise flop_per_batch"
        )
    return tuple(np.diff(np.floor(np.cumsum(wanted) + WHOLE), prepend=0.0).astype(np.int64).tolist())


def _trace(scenario: Scenario, spec: DemandSpec, slots: int) -> tuple[NDArray[np.float64], dict[str, Any]]:
    said: dict[str, Any] = {"peak_w": spec.peak_w, "path": spec.path}
    if spec.region is not None:
        said["region"] = spec.region
    refuse_doubled(spec.options, said)
    source = harvest_source("trace", **spec.options, **said)
    step = timedelta(seconds=scenario.time.trace_step_s)
    series = source.series(scenario.time.start, step, slots, seed=scenario.seed)
    return np.asarray(series.power_w), origin_dict(series.origin)
