"""Warnings about the payloads of batches that move without learning: memory that they take, and parcels too large to
travel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import psutil

from edge_node.config import BoardConfig
from experiments.resolve.chosen_policy import chosen_traits
from experiments.resolve.demand import WHOLE, learns_nothing
from experiments.scenario.model import Scenario
from protos.validation import MAX_PARCEL_BYTES

COPIES = 3
"""[M] Of a payload in flight in one process: joined, in its parcel, and taken out of it. Peak memory above that of a
run whose payloads are of 1 kB: 360 MB with 120 MB in flight, 600 with 200, 720 with 240."""
LARGE_PART = 0.5
"""[C] Of the machine's memory: payloads that may take more are warned of."""


def payloads(scenario: Scenario, boards: Sequence[BoardConfig], batches: Sequence[int]) -> tuple[str, ...]:
    """``batches``: of every node in its fullest slot. Empty for learned tasks, whose batches are small, for policies
    that move no work and for virtual fleets, whose batches are counted only."""
    kind = scenario.fleet.kind
    if (
        not learns_nothing(scenario)
        or kind == "virtual"
        or not chosen_traits(scenario).restrictions.offloading
    ):
        return ()
    limits, size = scenario.limits, scenario.demand.bytes_per_batch
    # (D5) holds for each release, and those of several slots may leave in one.
    leaving = [
        math.floor(limits.offload_cap_fraction * each + WHOLE) * (limits.deadline_slots + 1)
        for each in batches
    ]
    if kind == "inprocess":
        return _memory(sum(leaving), sum(board.storage_bytes // size for board in boards), size)
    return _parcels(max(leaving), size)


def _memory(leaving: int, room: int, size: int) -> tuple[str, ...]:
    most = min(leaving, room)
    needed, memory = most * size * COPIES, memory_bytes()
    if needed <= LARGE_PART * memory:
        return ()
    return (
        f"batches that move may take {_gb(needed)} of memory, and this machine has {_gb(memory)}: up to {most} of "
        f"{_gb(size)} each may be under way in a slot, {COPIES} copies of each; lower demand.bytes_per_batch, "
        'limits.offload_cap_fraction or board.storage_bytes, or take fleet.kind = "virtual", whose batches are counted '
        "only",
    )


def _parcels(leaving: int, size: int) -> tuple[str, ...]:
    most = MAX_PARCEL_BYTES // size
    if leaving <= most:
        return ()
    return (
        f"what a node sends another in a slot is one parcel of at most {_gb(MAX_PARCEL_BYTES)}, which "
        f"holds {most} of these batches ({_gb(size)} each): a decision that moves more (up to {leaving} may leave "
        "a node) is not carried out, and they run at home; lower demand.bytes_per_batch or "
        'limits.offload_cap_fraction, or take fleet.kind = "virtual", whose batches are counted only',
    )


def memory_bytes() -> int:
    """Of this machine."""
    return int(psutil.virtual_memory().total)


def _gb(size: float) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"
