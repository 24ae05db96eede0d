"""The application stage's workload with open-loop requests: batches of the size that arrived, time-stamped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from edge_node.serving.arrivals import RequestPlan
from edge_node.workload import Arrays, InferResult, Parameters, TrainResult, WorkCost, Workload
from protos.messages import Stage

ARRIVAL = "arrival_s"
"""Array of a batch of requests: when each arrived, float64 seconds of slot time. It travels with the batch."""


class RequestWorkload:
    """A node's workload (edge_node.workload.Workload) whose application batches come from a RequestPlan.

    The requests themselves are the inner workload's, in its order; how many share a batch, and when they
    came, is the plan's.
    """

    def __init__(self, inner: Workload, plan: RequestPlan) -> None:
        self.inner, self.plan = inner, plan
        self._fixed = plan.inference.arrivals == "batches"
        self._inner_size = len(next(iter(inner.batch(0, Stage.APPLICATION).values())))

    @property
    def num_examples(self) -> int:
        return self.inner.num_examples

    @property
    def num_batches(self) -> int:
        return self.inner.num_batches

    @property
    def digest(self) -> str:
        return self.inner.digest

    def cost(self, stage: str) -> WorkCost:
        """Of an average batch of requests: batches differ in size, planning needs one figure."""
        cost = self.inner.cost(stage)
        if stage != Stage.APPLICATION:
            return cost
        share = 1.0 if self._fixed else self.plan.mean_size / self._inner_size
        size = self._inner_size * share
        bytes_per_batch = math.ceil(cost.bytes_per_batch * share + 8 * size)
        return WorkCost(cost.flop_per_batch * share, bytes_per_batch, cost.model_bytes)

    def batch(self, batch_id: int, stage: str) -> Arrays:
        """As the inner workload's; in the application stage the plan's batch, with ``arrival_s``."""
        if stage != Stage.APPLICATION:
            return self.inner.batch(batch_id, stage)
        if self._fixed:
            arrays, arrivals = self.inner.batch(batch_id, stage), self._fixed_arrivals(batch_id)
        elif not self.plan.cuts and batch_id == 0:
            # Nobody asks here; peers' batches are still compared with what one would look like.
            arrays, arrivals = self._requests(0, 1), np.zeros(1)
        else:
            arrays = self._requests(*self.plan.cuts[batch_id])
            arrivals = self.plan.batch_arrivals(batch_id)
        return {**arrays, ARRIVAL: arrivals}

    def _fixed_arrivals(self, batch_id: int) -> np.ndarray:
        slots = np.repeat(np.arange(len(self.plan.released)), self.plan.released)
        start_s = float(slots[batch_id]) * self.plan.slot_s if batch_id < len(slots) else 0.0
        return np.full(self._inner_size, start_s)

    def _requests(self, start: int, stop: int) -> Arrays:
        size = self._inner_size
        blocks = [
            self.inner.batch(k, Stage.APPLICATION) for k in range(start // size, (stop - 1) // size + 1)
        ]
        offset = start - start // size * size
        return {
            name: np.concatenate([block[name] for block in blocks])[offset : offset + stop - start]
            for name in blocks[0]
        }

    def prepare(self, batches: Sequence[Arrays]) -> float:
        return self.inner.prepare(batches)

    def train(
        self, parameters: Parameters, batches: Sequence[Arrays], options: Mapping[str, float]
    ) -> TrainResult:
        return self.inner.train(parameters, batches, options)

    def infer(self, parameters: Parameters, batches: Sequence[Arrays]) -> InferResult:
        """Answers; the time stamps are the node's business."""
        bare = [{name: array for name, array in batch.items() if name != ARRIVAL} for batch in batches]
        return self.inner.infer(parameters, bare)
