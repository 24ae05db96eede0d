"""One board serves batches one after the other: when each is done, and how long its requests took.

Pure; times in seconds of slot time. Under the modelled meter service times are counted work on the board's
effective speed, so that latencies repeat exactly; under a meter that measures they are what it really took.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_node.serving.release import Times, dispatch_s


@dataclass(frozen=True, slots=True)
class Job:
    """A batch of requests to be served."""

    owner: str
    """Node whose users asked."""
    arrival_s: Times
    """Of each request, ascending."""
    service_s: float
    payload_bytes: int
    """Bytes that brought the batch here; 0 for the node's own."""
    max_requests: int
    """As its service's batches are closed."""
    max_wait_s: float
    """Likewise; infinite where all requests are there at once."""
    release_s: float | None = None
    """When the batch may begin, where its plan says so; None: as its arrivals give."""
    read_s: float = 0.0
    """When its prompts were read by another node, which sent it then."""


@dataclass(frozen=True, slots=True)
class Served:
    """Outcome of one slot's jobs."""

    latency_s: tuple[Times, ...]
    """Of each job's requests from arrival to answer, jobs in the order given."""
    free_s: float
    """When the board is free again."""


def available_s(jobs: Sequence[Job], link_bytes_per_s: float, slot_s: float, begin_s: float) -> list[float]:
    """When each job can begin: closed by the batcher, decided upon, and here.

    Batches of one owner come over its link one after the other, in the order of their dispatch.
    """
    ready = [max(begin_s, closed_s(job, slot_s), job.read_s) for job in jobs]
    link_free: dict[str, float] = {}
    for k in sorted(range(len(jobs)), key=lambda k: (ready[k], k)):
        job = jobs[k]
        if job.payload_bytes:
            start = max(ready[k], link_free.get(job.owner, -math.inf))
            ready[k] = link_free[job.owner] = start + job.payload_bytes / link_bytes_per_s
    return ready


def closed_s(job: Job, slot_s: float) -> float:
    """When a batch is complete."""
    if job.release_s is not None:
        return job.release_s
    if math.isfinite(job.max_wait_s):
        return dispatch_s(job.arrival_s, job.max_requests, job.max_wait_s, slot_s)
    return float(job.arrival_s[-1])


def serve(jobs: Sequence[Job], available: Sequence[float], free_s: float) -> Served:
    """First come, first served, by one board that is free from ``free_s`` on; ties in the order given."""
    latencies = [np.empty(0)] * len(jobs)
    for k in sorted(range(len(jobs)), key=lambda k: (available[k], k)):
        free_s = max(free_s, available[k]) + jobs[k].service_s
        latencies[k] = free_s - jobs[k].arrival_s
    return Served(tuple(latencies), free_s)
