"""What a batch of work costs on a node."""

from __future__ import annotations

from dataclasses import dataclass

from protos.messages.terms import Stage


@dataclass(frozen=True, slots=True)
class PointCost:
    """What an operating point of a board does to seconds and joules: clock, speed, watts."""

    frequency_khz: int
    speed_fraction: float
    """Share of the board's full speed."""
    energy_times: float
    """Joules of computing above idle power, over those at full speed."""
    static_w: float
    """While awake and idle."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Of a batch of requests to a language model: its prompts may be read on one node, and answered on another with the
    caches of what was read."""

    read_seconds: float
    """Of ``WorkProfile.seconds_per_batch``, for reading the prompts."""
    read_joules: float
    """Likewise of ``WorkProfile.joules_per_batch``."""
    cache_bytes: int
    """Of the caches, beside ``WorkProfile.bytes_per_batch``."""
    kin: str
    """What two nodes must have in common: model, server, kind of cache."""
    link_bytes_per_s: float
    """Rate at which bytes travel to another node."""
    latency_target_s: float | None
    """Of requests, from arrival to answer; None: no target."""


@dataclass(frozen=True, slots=True)
class WorkProfile:
    """Cost of one batch of one kind of work on one node, above the static power (methods.md section 1)."""

    stage: Stage
    seconds_per_batch: float
    joules_per_batch: float
    """Computation, and the node's radio towards its users: receiving their requests of a batch, sending the answers."""
    bytes_per_batch: int
    """Bytes that travel when a batch is offloaded, payload as serialised."""
    model_j: float = 0.0
    """Radio energy of a slot in which the node runs any of this work, however many batches: model parameters
    received and, in training, sent back."""
    request_j: float = 0.0
    """Part of ``joules_per_batch`` for receiving from the users: used by the batch's owner, whichever node runs it."""
    hand_over: HandOver | None = None
    """None: a batch is run by one node."""
    calibrated: bool = False
    """Whether seconds and joules were measured on such a board for this task; not: counted operations at its speed."""
    compute_j: float = 0.0
    """Part of ``joules_per_batch`` for computing, of nodes that have operating points; 0 of others."""
