"""When requests arrive (open loop) and which batches they form. Pure and seeded; times in seconds of slot time.

Slot t lasts from t * slot_s to (t + 1) * slot_s; a request's time counts from the run's beginning, so that it
means the same on every node. Open loop: users do not wait for answers before they ask again, so an
overloaded node's queue grows and so do its latencies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge_node.config import InferenceConfig, NodeConfig
from edge_node.serving.release import Group, Times, group
from edge_node.serving.traced import Traced
from protos.messages.terms import Stage

TOLD_SLOTS = 100
"""Slots of a plan from one word on its progress to the next."""
UPLOAD = 0x11AC
"""Beside seed, node and slot: a stream of randomness of its own for users' links."""


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
        depth_fraction: 0: flat; 1: no requests twelve hours away from the peak.
    """
    return tuple(
        mean_per_s * (1.0 + depth_fraction * math.cos(2.0 * math.pi * (hour - peak_hour) / 24.0))
        for hour in hours
    )


@dataclass(frozen=True)
class RequestPlan:
    """All requests of one node in a run, as batches numbered slot by slot.

    Batches of several services are mixed evenly within a slot, so that any run of consecutive batches holds them in
    about the same proportion: policies allot batches by number, and reckon with their mean.
    """

    inference: InferenceConfig
    slot_s: float
    arrival_s: Times
    """When its user asks, of every request, batch by batch; ascending within a batch."""
    cuts: tuple[tuple[int, int], ...]
    """Requests [start, stop) of each batch."""
    released: tuple[int, ...]
    """Batches by slot of the run."""
    kinds: tuple[int, ...]
    """Service of each batch: 0 the node's own task, k the k-th of ``inference.services``."""
    numbers: NDArray[np.int64]
    """Of every request, batch by batch: its number among all of its service, in the order of arrival."""
    released_s: Times
    """When each batch may begin."""
    sizes: NDArray[np.int64] = field(init=False)
    """Requests of each batch."""

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "sizes", np.array([stop - start for start, stop in self.cuts], dtype=np.int64)
        )

    @classmethod
    def of(cls, config: NodeConfig) -> RequestPlan:
        """The plan that follows from a node's configuration: the same for the same configuration."""
        return cls.make(config.inference, config.slot_s, config.stages, config.seed, config.index)

    @classmethod
    def make(
        cls,
        inference: InferenceConfig,
        slot_s: float,
        stages: Sequence[Stage],
        seed: int,
        index: int,
        told: Callable[[int], None] | None = None,
    ) -> RequestPlan:
        """As ``of``, from what a plan depends on. ``index``: the node's number in the fleet. ``told`` is called now and
        then with the slots that are done."""
        arrivals: list[Times] = []
        cuts: list[tuple[int, int]] = []
        kinds: list[int] = []
        places: list[NDArray[np.int64]] = []
        first: list[int] = []
        begun_s: list[float] = []
        released_s: list[float] = []
        released: list[int] = []
        requests = 0
        by_kind = [0] * (1 + len(inference.services))
        traced = Traced(inference.times_s, slot_s, len(stages))
        for slot, stage in enumerate(stages):
            if told is not None and slot % TOLD_SLOTS == 0:
                told(slot)
            batches = (
                _slot_batches(inference, traced, slot_s, seed, index, slot)
                if stage is Stage.APPLICATION
                else []
            )
            before = list(by_kind)
            for kind, times, own in batches:
                cuts.append((requests, requests + len(times)))
                kinds.append(kind)
                places.append(own.members)
                first.append(before[kind])
                arrivals.append(times)
                begun_s.append(slot * slot_s)
                released_s.append(slot * slot_s + own.release_s)
                requests += len(times)
                by_kind[kind] += len(times)
            released.append(len(batches))
        every, each = np.empty(0), np.empty(0, dtype=np.int64)
        if arrivals:
            lengths = [len(times) for times in arrivals]
            every = np.repeat(begun_s, lengths) + np.concatenate(arrivals)
            each = np.repeat(first, lengths) + np.concatenate(places)
        return cls(
            *(inference, slot_s, every, tuple(cuts), tuple(released), tuple(kinds), each),
            np.array(released_s, dtype=float),
        )

    @cached_property
    def mean_size(self) -> float:
        """Requests of a batch on average; the largest allowed where there are none to average."""
        return float(self.sizes.mean()) if len(self.sizes) else float(self.inference.requests_per_batch)

    def requests_in(self, batch_ids: Sequence[int]) -> int:
        """Requests in these batches. A batch that is not planned is one turn of a conversation, of a lost node."""
        planned = [number for number in batch_ids if number < len(self.sizes)]
        return int(self.sizes[planned].sum()) + len(batch_ids) - len(planned) if batch_ids else 0

    def batch_arrivals(self, batch_id: int) -> Times:
        """Arrival times of one batch."""
        start, stop = self.cuts[batch_id]
        return self.arrival_s[start:stop]

    def batch_numbers(self, batch_id: int) -> NDArray[np.int64]:
        """Numbers of one batch's requests among all of its service."""
        start, stop = self.cuts[batch_id]
        return self.numbers[start:stop]

    @cached_property
    def needs_s(self) -> Times:
        """(batches,) ascending: when the node's own batches were released."""
        return np.sort(self.released_s)


def _slot_batches(
    inference: InferenceConfig, traced: Traced, slot_s: float, seed: int, index: int, slot: int
) -> list[tuple[int, Times, Group]]:
    """(service, arrival times from the slot's beginning, places and release) of each batch of a slot, services mixed
    evenly."""
    placed: list[tuple[float, int, Times, Group]] = []
    for kind in range(1 + len(inference.services)):
        times = _slot_arrivals(inference, traced, slot_s, seed, index, slot, kind)
        if not len(times):
            continue
        most, wait_s = batching(inference, kind)
        there_s = times
        if inference.upload_s:
            there_s = times + uploads_s(inference, len(times), (seed, index, slot, UPLOAD, kind))
        groups = group(inference.batching, times, there_s, most, wait_s, slot_s)
        placed += [((j + 0.5) / len(groups), kind, times[own.members], own) for j, own in enumerate(groups)]
    return [found for _, *found in sorted(placed, key=lambda each: each[:2])]  # type: ignore[misc]


def uploads_s(inference: InferenceConfig, requests: int, seed: tuple[int, ...]) -> Times:
    """(requests,) seconds that each prompt takes over its user's link: log-normal about the median."""
    if not inference.upload_s:
        return np.zeros(requests)
    spread = inference.upload_spread * np.random.default_rng(seed).standard_normal(requests)
    return inference.upload_s * np.exp(spread)


def batching(inference: InferenceConfig, kind: int) -> tuple[int, float]:
    """(most requests of a batch, longest wait for further requests in s) of a service."""
    if inference.batching == "alone":
        return 1, 0.0
    if kind:
        service = inference.services[kind - 1]
        return service.requests_per_batch, service.max_wait_s
    # All of a slot are there at its beginning: batches are full, and no request waits for others.
    return inference.requests_per_batch, math.inf if inference.arrivals == "batches" else inference.max_wait_s


def _slot_arrivals(
    inference: InferenceConfig, traced: Traced, slot_s: float, seed: int, index: int, slot: int, kind: int
) -> Times:
    """Arrivals of a service within a slot, in seconds from its beginning."""
    if kind:
        # Streams of randomness of their own: a second service changes nothing of the first one's requests.
        random = np.random.default_rng((seed, index, slot, 0x5E47, kind))
        return poisson(inference.services[kind - 1].rate_per_s[slot], slot_s, random)
    if inference.arrivals == "batches":
        return np.zeros(inference.batches_per_slot * inference.requests_per_batch)
    if inference.arrivals == "times":
        return traced(slot)
    # One stream of randomness a node and slot: a slot's requests do not depend on the slots before it.
    random = np.random.default_rng((seed, index, slot, 0x5E47))
    return poisson(inference.rate_per_s[slot], slot_s, random)
