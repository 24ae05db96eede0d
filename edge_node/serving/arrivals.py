"""When requests arrive (open loop) and which batches they form. Pure and seeded; times in seconds of slot time.

Slot t lasts from t * slot_s to (t + 1) * slot_s; a request's time counts from the run's beginning, so that it
means the same on every node. Open loop: users do not wait for answers before they ask again, so an
overloaded node's queue grows and its latencies say so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge_node.config import InferenceConfig, NodeConfig
from protos.messages import Stage

Times = NDArray[np.float64]


def poisson(rate_per_s: float, duration_s: float, random: np.random.Generator) -> Times:
    """Sorted arrival times in [0, duration_s) of a Poisson process of constant rate.

    Their number is Poisson distributed; given the number, they are independent and uniform.
    """
    count = int(random.poisson(rate_per_s * duration_s))
    return np.sort(random.random(count)) * duration_s


def diurnal_rates(
    mean_per_s: float, hours: Sequence[float], peak_hour: float, depth_fraction: float
) -> tuple[float, ...]:
    """Rates over a day of ``mean_per_s`` on average: mean * (1 + depth * cos(2 pi (hour - peak) / 24)).

    Args:
        mean_per_s: Mean over 24 h, requests per second.
        hours: Local hour of day, 0..24, of each slot's middle.
        peak_hour: Busiest hour.
        depth_fraction: 0: flat; 1: nobody asks twelve hours away from the peak.
    """
    return tuple(
        mean_per_s * (1.0 + depth_fraction * math.cos(2.0 * math.pi * (hour - peak_hour) / 24.0))
        for hour in hours
    )


def cut_batches(arrival_s: Times, max_requests: int, max_wait_s: float) -> list[tuple[int, int]]:
    """Dynamic batching: [start, stop) of each batch, in order of arrival.

    A batch is closed when it has ``max_requests``, or ``max_wait_s`` after its first request came.
    """
    cuts: list[tuple[int, int]] = []
    start, total = 0, len(arrival_s)
    while start < total:
        in_time = int(np.searchsorted(arrival_s, arrival_s[start] + max_wait_s, side="right"))
        stop = max(start + 1, min(in_time, start + max_requests))
        cuts.append((start, stop))
        start = stop
    return cuts


def dispatch_s(arrival_s: Times, max_requests: int, max_wait_s: float, slot_s: float) -> float:
    """When a batch of these requests is closed: full, or its first request has waited, or the slot ends.

    A slot's requests are decided upon together, so that no batch reaches into the next slot.
    """
    first, last = float(arrival_s[0]), float(arrival_s[-1])
    if len(arrival_s) >= max_requests:
        return last
    slot_end_s = (math.floor(last / slot_s) + 1) * slot_s
    return max(last, min(first + max_wait_s, slot_end_s))


@dataclass(frozen=True)
class RequestPlan:
    """All requests of one node in a run, as batches numbered in order of arrival."""

    inference: InferenceConfig
    slot_s: float
    arrival_s: Times
    """Of every request, ascending."""
    cuts: tuple[tuple[int, int], ...]
    """Requests [start, stop) of each batch."""
    released: tuple[int, ...]
    """Batches by slot of the run."""
    sizes: NDArray[np.int64] = field(init=False)
    """Requests of each batch."""

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "sizes", np.array([stop - start for start, stop in self.cuts], dtype=np.int64)
        )

    @classmethod
    def of(cls, config: NodeConfig) -> RequestPlan:
        """The plan that follows from a node's configuration: the same for the same configuration."""
        inference, slot_s = config.inference, config.slot_s
        arrivals: list[Times] = []
        cuts: list[tuple[int, int]] = []
        released = []
        count = 0
        for slot, stage in enumerate(config.stages):
            times = _slot_arrivals(config, slot) if stage is Stage.APPLICATION else np.empty(0)
            # All of a slot are there at its beginning: batches are full, whatever the waiting time.
            wait_s = math.inf if inference.arrivals == "batches" else inference.max_wait_s
            own = cut_batches(times, inference.requests_per_batch, wait_s)
            cuts.extend((count + start, count + stop) for start, stop in own)
            released.append(len(own))
            arrivals.append(slot * slot_s + times)
            count += len(times)
        return cls(inference, slot_s, np.concatenate(arrivals), tuple(cuts), tuple(released))

    @cached_property
    def mean_size(self) -> float:
        """Requests of a batch on average; the largest allowed where there are none to average."""
        return float(self.sizes.mean()) if len(self.sizes) else float(self.inference.requests_per_batch)

    def requests_in(self, batch_ids: Sequence[int]) -> int:
        """Requests in these batches."""
        return int(self.sizes[list(batch_ids)].sum()) if batch_ids else 0

    def batch_arrivals(self, batch_id: int) -> Times:
        """Arrival times of one batch."""
        start, stop = self.cuts[batch_id]
        return self.arrival_s[start:stop]


def _slot_arrivals(config: NodeConfig, slot: int) -> Times:
    """Arrivals within a slot, in seconds from its beginning."""
    inference, slot_s = config.inference, config.slot_s
    if inference.arrivals == "batches":
        return np.zeros(inference.batches_per_slot * inference.requests_per_batch)
    if inference.arrivals == "times":
        times = np.asarray(inference.times_s) - slot * slot_s
        return times[(times >= 0.0) & (times < slot_s)]
    # One stream of randomness a node and slot: a slot's requests do not depend on the slots before it.
    random = np.random.default_rng((config.seed, config.index, slot, 0x5E47))
    return poisson(inference.rate_per_s[slot], slot_s, random)
