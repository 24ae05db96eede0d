"""Work of a slot, and the length of a slot that follows from it."""

from __future__ import annotations

from edge_node.config import (
    BoardConfig,
    TaskConfig,
)
from edge_node.tasks.build import build_workload
from edge_node.tasks.none import LANGUAGE
from edge_node.tasks.parts.served import at_node
from edge_node.tasks.registry import configured_task, find_task
from experiments.errors import UsageError
from experiments.resolve.requests import mean_per_s
from experiments.resolve.tasks import service_task
from experiments.scenario.keys import YEAR_S
from experiments.scenario.model import Scenario
from protos.messages.terms import Stage

BUSY_SHARE = 0.5
"""slot_s = "auto": a slot lasts so long that a node is busy for this share of it on average, in the busiest stage."""
WORST_SHARE = 0.95
"""slot_s = "auto": and so long that no node is busy for more than this share of it with its own work (choice: 5 % are
left for waking and for rounding to whole batches)."""


def work_by_stage_s(
    scenario: Scenario,
    boards: tuple[BoardConfig, ...],
    task: TaskConfig,
    batches: tuple[int, ...],
    development_s: list[float],
) -> dict[Stage, list[float]]:
    """Seconds each node's board needs for its own work of a slot, by stage: fixed work, and the mean of requests whose
    number is given by slot. Requests per second take the same share of a slot of any length: they are left out."""
    found, spec = find_task(task.name), scenario.inference
    speed = [board.effective_flop_per_s for board in boards]
    by_second = spec.requests_per_s is not None or spec.load_fraction is not None
    by_second = by_second or spec.arrivals in ("trace", "conversations")
    requests = 0 if by_second else spec.batches_per_slot * spec.requests_per_batch
    prepare_flop, serve_flop = found.prepare_flop(task.batch_size), found.serve_flop()
    return {
        Stage.PREPARATION: [count * prepare_flop / each for count, each in zip(batches, speed, strict=True)],
        Stage.DEVELOPMENT: development_s,
        Stage.APPLICATION: [requests * serve_flop / each for each in speed],
        Stage.RECYCLING: development_s,
    }


def slot_length_s(
    scenario: Scenario,
    stages: tuple[Stage, ...],
    work_s: dict[Stage, list[float]],
    services_share: list[float],
) -> float:
    """Length of a slot: as the scenario says; ``auto``: so long that in every stage a node is busy for BUSY_SHARE of it
    on average, and none for more than WORST_SHARE. A development slot counts whether there is one or not.

    ``services_share``: (N,) fraction of each node's application slots that further services take; it does not depend on
    the slot's length."""
    if scenario.time.slot_s != "auto":
        return scenario.time.slot_s
    nothing = [0.0] * len(services_share)
    return max(
        _covering_s(work_s[stage], services_share if stage is Stage.APPLICATION else nothing)
        for stage in {*stages, Stage.DEVELOPMENT}
    )


def _covering_s(work_s: list[float], taken: list[float]) -> float:
    """Shortest slot in which the work fits beside what is ``taken`` of each node's slot; a limit that the latter
    exceeds by itself holds at no length and is left out."""
    mean = sum(taken) / len(taken)
    limits = [sum(work_s) / len(work_s) / (BUSY_SHARE - mean)] if mean < BUSY_SHARE else []
    limits += [
        work / (WORST_SHARE - share) for work, share in zip(work_s, taken, strict=True) if share < WORST_SHARE
    ]
    return max(limits, default=0.0)


def services_share(scenario: Scenario, boards: tuple[BoardConfig, ...], task: TaskConfig) -> list[float]:
    """Mean share of an application slot that each node's board needs for its users' requests to further services."""
    found = [0.0] * len(boards)
    for k, spec in enumerate(scenario.inference.services):
        with scenario.at("inference", "services", k):
            own = service_task(spec, task)
        flop = configured_task(own.name, own.prompt_tokens, own.answer_tokens).serve_flop()
        for i, board in enumerate(boards):
            found[i] += mean_per_s(spec, board, own, 0.0) * flop / board.effective_flop_per_s
    return found


def busiest_s(scenario: Scenario, stages: tuple[Stage, ...], work_s: dict[Stage, list[float]]) -> list[float]:
    """Seconds of each node's own work in its busiest slot, of the work that a scenario fixes."""
    fixed = [
        work_s[stage]
        for stage in set(stages)
        if stage is not Stage.APPLICATION or scenario.inference.arrivals == "batches"
    ]
    return (
        [max(each) for each in zip(*fixed, strict=True)] if fixed else [0.0] * len(work_s[Stage.DEVELOPMENT])
    )


def check_slot(scenario: Scenario, slot_s: float) -> None:
    """The longest slot that a scenario may state holds for the one found from the work as well."""
    if slot_s > YEAR_S:
        raise UsageError(
            f"a slot that its work fits in lasts {slot_s:.3g} s, allowed are up to {YEAR_S:.3g} s: lower "
            f"{work_keys(scenario)}, or give time.slot_s"
        )


def work_keys(scenario: Scenario) -> str:
    """Keys of the scenario that say how much work a slot has, in words."""
    if scenario.task.name == LANGUAGE:
        return (
            "inference.batches_per_slot, inference.requests_per_batch, inference.prompt_tokens or "
            "inference.answer_tokens"
        )
    return "task.batches_per_slot, task.local_epochs, task.batch_size or inference.batches_per_slot"


def development_work(
    scenario: Scenario, task: TaskConfig, boards: tuple[BoardConfig, ...]
) -> tuple[tuple[int, ...], list[float]]:
    """Batches each node releases per development slot, and the seconds its board needs for them."""
    if task.parts is not None:
        return _work_in_parts(scenario, task, boards)
    batches: list[int] = []
    busy_s: list[float] = []
    flop = None
    for i, board in enumerate(boards):
        workload = build_workload(task.model_copy(update={"partition_index": i}))
        if flop is None:
            flop = workload.cost(Stage.DEVELOPMENT).flop_per_batch
        count = (
            workload.num_batches
            if scenario.task.batches_per_slot == "pass"
            else scenario.task.batches_per_slot
        )
        batches.append(count)
        busy_s.append(count * flop / board.effective_flop_per_s)
    return tuple(batches), busy_s


def _work_in_parts(
    scenario: Scenario, task: TaskConfig, boards: tuple[BoardConfig, ...]
) -> tuple[tuple[int, ...], list[float]]:
    """Likewise, where the node that serves the others does the rest of their batches too."""
    per_slot = scenario.task.batches_per_slot
    counts = tuple(
        build_workload(task.model_copy(update={"partition_index": i})).num_batches
        if per_slot == "pass"
        else per_slot
        for i in range(len(boards))
    )
    flop = [
        build_workload(at_node(task, i, counts)).cost(Stage.DEVELOPMENT).flop_per_batch
        for i in range(len(boards))
    ]
    pairs = zip(counts, flop, boards, strict=True)
    return counts, [count * each / board.effective_flop_per_s for count, each, board in pairs]
