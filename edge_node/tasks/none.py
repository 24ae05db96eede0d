"""No learning: batches that are counted, moved and metered like a task's, and not executed. No torch here."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np

from edge_node.config import DemandConfig
from edge_node.workload import Arrays, InferResult, Parameters, Stop, TrainResult, UserBytes, WorkCost

NAME = "none"
"""Name of the task in a scenario."""
APP = "flower-app"
"""Name of the task in runs of a user's own Flower app: a round of it is a batch, and all else is the app's matter."""
LANGUAGE = "llm"
"""Name of the task in runs that serve a language model (edge_node.language): nothing is learned, and the application
stage answers requests."""
WITHOUT_TASK = (NAME, APP, LANGUAGE)
"""Names that stand where there is no task of ours to learn."""


class CountedWorkload:
    """One node's demand as work of the development stage (edge_node.workload.Workload): a batch is so many operations
    and so many bytes. There is no model, so that none travels."""

    num_examples = 0
    num_batches = 0

    def __init__(self, demand: DemandConfig) -> None:
        self._demand = demand

    @property
    def digest(self) -> str:
        return hashlib.sha256(b"").hexdigest()

    def cost(self, stage: str) -> WorkCost:
        return WorkCost(self._demand.flop_per_batch, self._demand.bytes_per_batch)

    def batch(self, batch_id: int, stage: str) -> Arrays:
        """Payload of the right size, which takes memory only once it is sent."""
        return {"payload": np.broadcast_to(np.uint8(0), (1, self._demand.bytes_per_batch))}

    def user_bytes(self, batch: Arrays, stage: str) -> UserBytes:
        return UserBytes(0, 0)

    def prepare(self, batches: Sequence[Arrays]) -> float:
        raise ValueError(f"task {NAME} prepares nothing: its slots are of the development stage")

    def train(
        self,
        parameters: Parameters,
        batches: Sequence[Arrays],
        options: Mapping[str, float],
        stop: Stop | None = None,
    ) -> TrainResult:
        """Count ``batches``, which takes no time; there is no loss."""
        return TrainResult({}, 0, len(batches), math.nan, len(batches) * self._demand.flop_per_batch)

    def infer(self, parameters: Parameters, batches: Sequence[Arrays]) -> InferResult:
        raise ValueError(f"task {NAME} serves nothing: its slots are of the development stage")
