"""What a batch of work costs on a node."""

from __future__ import annotations

from dataclasses import dataclass

from protos.messages.terms import Stage


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
