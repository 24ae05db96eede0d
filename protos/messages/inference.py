"""Outside clients: examples to be answered with a node's latest global model."""

from __future__ import annotations

from dataclasses import dataclass

from protos.messages.parcels import Tensor


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A client's examples to be answered with a node's latest global model."""

    request_id: str
    node_id: str
    """Empty: the only node at this address."""
    tensors: tuple[Tensor, ...]
    """Inputs of the task (e.g. images), axis 0 the examples."""


@dataclass(frozen=True, slots=True)
class InferAnswer:
    """Answers to one request, with a breakdown of the time."""

    request_id: str
    node_id: str
    tensors: tuple[Tensor, ...]
    """E.g. classes and confidences, or generated tokens; axis 0 the examples."""
    tokens_in: int
    tokens_out: int
    queue_s: float
    """Time of waiting for other requests and for the board."""
    service_s: float
    """Of the whole batch."""
    batch_examples: int
    """Examples that shared the batch, of all callers."""
