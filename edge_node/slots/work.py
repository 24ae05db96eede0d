"""A slot's work on own and offloaded batches, and what it counts."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace

from edge_node.slots.slot import SlotState
from edge_node.workload import (
    Arrays,
    BatchWork,
    InferResult,
    Parameters,
    PrepareResult,
    Result,
    Stop,
    TrainResult,
    Workload,
    add_up,
)
from protos.messages.terms import Stage


def gather(node_id: str, workload: Workload, state: SlotState) -> tuple[dict[str, int], list[Arrays]]:
    """Batches to run: own ones by deadline, then offloaded ones by owner, in any order of arrival: the
    same run, the same model.

    Returns (batches by owner, arrays).
    """
    own = sorted(state.own)
    batches = [workload.batch(batch.batch_id, state.stage.value) for batch in own]
    owners = {node_id: len(own)} if own else {}
    for owner in sorted(state.incoming):
        batches.extend(state.incoming[owner].batches)
        owners[owner] = len(state.incoming[owner].batches)
    return owners, batches


def run_stage(
    workload: Workload,
    stage: Stage,
    parameters: Parameters,
    batches: list[Arrays],
    options: Mapping[str, float],
    stop: Stop | None = None,
) -> Result:
    """Preprocess, train or serve, by the life-cycle stage; with ``stop``, perhaps not all batches."""
    if stage is Stage.PREPARATION:
        return prepare(workload, batches, stop)
    if stage is Stage.APPLICATION:
        return infer_each(workload, parameters, batches, stop)
    if stop is None:
        return workload.train(parameters, batches, options)
    return workload.train(parameters, batches, options, stop)


def prepare(workload: Workload, batches: list[Arrays], stop: Stop | None = None) -> PrepareResult:
    """Preprocess, batch after batch where it may be stopped."""
    done, flop = batches, 0.0
    if stop is None:
        flop = workload.prepare(batches)
    else:
        done = []
        for batch in batches:
            if stop():
                break
            flop += workload.prepare([batch])
            done.append(batch)
    return PrepareResult(len(done), sum(len(next(iter(batch.values()))) for batch in done), flop)


def infer_each(
    workload: Workload, parameters: Parameters, batches: list[Arrays], stop: Stop | None = None
) -> InferResult:
    """Answer batch after batch, each timed on its own: latency needs to know."""
    results, work = [], []
    for batch in batches:
        if stop is not None and stop():
            break
        cpu_s, wall_s = time.thread_time(), time.perf_counter()
        result = workload.infer(parameters, [batch])
        # A board of its own would not share its cores with other nodes of this machine.
        seconds = min(time.thread_time() - cpu_s, time.perf_counter() - wall_s)
        if result.uses:  # a process beside this one worked
            seconds = sum(use.seconds for use in result.uses)
        results.append(result)
        work.append(BatchWork(result.flop, seconds, result.decode_flop, min(seconds, result.decode_s)))
    return replace(add_up(results), by_batch=tuple(work))


def first_batches(owners: Mapping[str, int], done: int) -> dict[str, int]:
    """Of batches in the order of ``owners``, the first ``done``, by owner."""
    found: dict[str, int] = {}
    for owner, count in owners.items():
        taken = min(count, done)
        done -= taken
        if taken:
            found[owner] = taken
    return found


def count_result(
    state: SlotState, result: Result, owners: dict[str, int], parameters: Parameters
) -> tuple[int, int]:
    """Enter a result into the slot's counts. Returns model bytes (sent, received) by this node."""
    state.result, state.flop, state.executed = result, result.flop, owners
    received = sent = 0
    if not isinstance(result, PrepareResult):
        received = sum(array.nbytes for array in parameters.values())
    if isinstance(result, TrainResult):
        sent = sum(array.nbytes for array in result.parameters.values())
        # A loss that is no finite number is not reported; the runner finds it in the model and ends the run.
        state.mean_loss = result.mean_loss if math.isfinite(result.mean_loss) else None
    state.model_bytes += received + sent
    return sent, received
