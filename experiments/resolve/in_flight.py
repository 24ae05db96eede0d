"""Warnings about payloads of batches that move: memory that they take without learning, and parcels too large to
travel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import psutil
from numpy.typing import NDArray

from edge_node.energy.power_model import PowerModel
from edge_node.serving.requests import stamp_bytes
from edge_node.tasks.build import build_workload
from edge_node.workload import WorkCost
from experiments.resolve.chosen_policy import chosen_traits
from experiments.resolve.demand import WHOLE, learns_nothing
from protos.messages.terms import Stage
from protos.validation import MAX_PARCEL_BYTES

if TYPE_CHECKING:
    from experiments.resolve.resolved import Resolved

COPIES = 3
"""[M] Of a payload in flight in one process: joined, in its parcel, and taken out of it. Peak memory above that of a
run whose payloads are of 1 kB: 360 MB with 120 MB in flight, 600 with 200, 720 with 240."""
LARGE_PART = 0.5
"""[C] Of the machine's memory: payloads that may take more are warned of."""
TRAINING = (Stage.DEVELOPMENT, Stage.RECYCLING)


@dataclass(frozen=True, slots=True)
class Movable:
    """Batches of a stage that may move."""

    leaving: NDArray[np.int64]
    """(N, T) that may leave each node in each slot (D5)."""
    room: NDArray[np.int64]
    """(N,) of others that each node can run and hold in a slot (D7)."""
    size: int
    """Bytes of one."""
    size_key: str
    """What says how large it is."""


def payloads(resolved: Resolved) -> tuple[str, ...]:
    """Empty for policies that move no work and for virtual fleets, whose batches are counted only. Of learned tasks
    parcels alone are told of, and none of requests that come by chance or by a trace."""
    scenario, kind = resolved.scenario, resolved.scenario.fleet.kind
    moves = chosen_traits(scenario).restrictions.offloading and scenario.limits.offload_cap_fraction > 0
    if kind == "virtual" or scenario.node_count < 2 or not moves:
        return ()
    if learns_nothing(scenario):
        found = _counted(resolved)
        other = 'fleet.kind = "virtual", whose batches are counted only'
        return _memory(found, other) if kind == "inprocess" else _parcels(found, other)
    if kind == "inprocess" or not resolved.learns:
        return ()
    other = 'fleet.kind = "inprocess", whose batches travel in no parcels'
    return tuple(dict.fromkeys(text for found in _learned(resolved) for text in _parcels(found, other)))


def _counted(resolved: Resolved) -> Movable:
    """Of a run without learning."""
    demands = [demand for demand in resolved.demands if demand is not None]
    released = np.array([demand.batches for demand in demands], dtype=np.int64)
    cost = WorkCost(demands[0].flop_per_batch, demands[0].bytes_per_batch)
    return _movable(resolved, Stage.DEVELOPMENT, released, cost, "demand.bytes_per_batch")


def _learned(resolved: Resolved) -> Iterator[Movable]:
    """Of a task's training, and of its requests where their number is given by slot."""
    nodes, inference = len(resolved.boards), resolved.inference[0]
    for stage in TRAINING:
        if slots := resolved.stages.count(stage):
            task = resolved.recycling if stage is Stage.RECYCLING else None
            cost = build_workload(task or resolved.task).cost(stage)
            released = np.repeat(np.array(resolved.batches_per_node)[:, None], slots, axis=1)
            yield _movable(resolved, stage, released, cost, "task.batch_size")
    slots = resolved.stages.count(Stage.APPLICATION)
    if slots and inference.arrivals == "batches" and not inference.services:
        cost = build_workload(resolved.task, inference).cost(Stage.APPLICATION)
        size = cost.bytes_per_batch + stamp_bytes(inference) * inference.requests_per_batch
        released = np.full((nodes, slots), inference.batches_per_slot)
        whole = WorkCost(cost.flop_per_batch, size)
        yield _movable(resolved, Stage.APPLICATION, released, whole, "inference.requests_per_batch")


def _movable(
    resolved: Resolved, stage: Stage, released: NDArray[np.int64], cost: WorkCost, size_key: str
) -> Movable:
    """``released``: (N, T) batches of each slot of ``stage``. (D5) holds for each release; what has waited may leave
    together with what is new."""
    limits = resolved.scenario.limits
    until = np.cumsum(np.floor(limits.offload_cap_fraction * released + WHOLE).astype(np.int64), axis=1)
    together, before = limits.deadline_slots + 1, np.zeros_like(until)
    before[:, together:] = until[:, :-together]
    profiles = [PowerModel(board).work_profile(stage, cost) for board in resolved.boards]
    storage = [board.storage_bytes // cost.bytes_per_batch for board in resolved.boards]
    in_time = [resolved.slot_s / max(each.seconds_per_batch, 1e-300) + WHOLE for each in profiles]
    most = int(until[:, -1].sum())  # no more can be anywhere
    room = [int(min(*both, most)) for both in zip(storage, in_time, strict=True)]
    return Movable(until - before, np.array(room), cost.bytes_per_batch, size_key)


def _memory(found: Movable, other: str) -> tuple[str, ...]:
    most = min(int(found.leaving.sum(axis=0).max()), int(found.room.sum()))
    needed, memory = most * found.size * COPIES, memory_bytes()
    if needed <= LARGE_PART * memory:
        return ()
    return (
        f"batches that move may take {_gb(needed)} of memory, and this machine has {_gb(memory)}: up to {most} of "
        f"{_gb(found.size)} each may be under way in a slot, {COPIES} copies of each; lower {found.size_key}, "
        f"limits.offload_cap_fraction or board.storage_bytes, or take {other}",
    )


def _parcels(found: Movable, other: str) -> tuple[str, ...]:
    most = MAX_PARCEL_BYTES // found.size
    nodes = np.arange(len(found.room))
    elsewhere = np.array([found.room[nodes != i].max() for i in nodes])
    leaving = int(np.minimum(found.leaving.max(axis=1), elsewhere).max())
    if leaving <= most:
        return ()
    return (
        f"what a node sends another in a slot is one parcel of at most {_gb(MAX_PARCEL_BYTES)}, which "
        f"holds {most} of these batches ({_gb(found.size)} each): a decision that moves more (up to {leaving} may "
        f"leave a node for another) is not carried out, and they run at home; lower {found.size_key} or "
        f"limits.offload_cap_fraction, or take {other}",
    )


def memory_bytes() -> int:
    """Of this machine."""
    return int(psutil.virtual_memory().total)


def _gb(size: float) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"
