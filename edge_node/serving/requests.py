"""The application stage's workload: batches of the size that arrived, time-stamped, of one service or several."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_node.config import InferenceConfig
from edge_node.serving.arrivals import RequestPlan
from edge_node.workload import (
    Arrays,
    InferResult,
    Parameters,
    ReadPrompt,
    RecallsTurns,
    Stop,
    TrainResult,
    UserBytes,
    WorkCost,
    Workload,
    add_up,
)
from protos.messages.slot import Recalled
from protos.messages.terms import Stage

ARRIVAL = "arrival_s"
"""Array of a batch of requests: when each arrived, float64 seconds of slot time. It travels with the batch."""
RELEASE = "release_s"
"""Where users' links take time: when the batch may begin, likewise; the same for all of its requests."""
SERVICE = "service"
"""Array of a batch of a further service: its number. Made at both ends; a parcel carries it once a batch."""

Services = Sequence[tuple[Workload, Parameters]]
"""Further services of a node: their requests, and the model that answers them."""


def service_of(batch: Arrays) -> int:
    """Which service a batch asks: 0 the node's own task, k the k-th of its further services."""
    return int(batch[SERVICE][0]) if SERVICE in batch else 0


class RequestWorkload:
    """A node's workload (edge_node.workload.Workload) whose application batches come from a RequestPlan.

    The requests themselves are the inner workloads', in their order; how many share a batch, and when they
    came, is the plan's.
    """

    def __init__(self, inner: Workload, plan: RequestPlan, services: Services = ()) -> None:
        """Raises ValueError when the plan has another number of further services."""
        if len(services) != len(plan.inference.services):
            raise ValueError(
                f"{len(services)} further services are built, {len(plan.inference.services)} are configured"
            )
        self.inner, self.plan = inner, plan
        self._services = tuple(services)
        self._workloads = (inner, *(workload for workload, _ in services))
        told = plan.inference
        self._links = told.upload_s > 0
        self._asked_s: dict[int, float] = {}
        """Of turns of lost nodes: when each was asked, by the number of its batch."""
        self._fixed = told.arrivals == "batches" and told.batching == "fixed" and not self._links
        self._inner_sizes = [_size_of(workload) for workload in self._workloads]

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
        """Of an average batch of requests: batches differ in size and service, planning needs one figure."""
        cost = self.inner.cost(stage)
        if stage != Stage.APPLICATION:
            return cost
        if self._services:
            return self._mixed_cost(cost.model_bytes)
        share = 1.0 if self._fixed else self.plan.mean_size / self._inner_sizes[0]
        size = self._inner_sizes[0] * share
        bytes_per_batch = math.ceil(cost.bytes_per_batch * share + stamp_bytes(self.plan.inference) * size)
        return WorkCost(
            cost.flop_per_batch * share,
            bytes_per_batch,
            cost.model_bytes,
            cost.up_bytes * share,
            cost.down_bytes * share,
            None if cost.split is None else cost.split.times(share),
            None if cost.measured is None else cost.measured.times(share),
        )

    def _mixed_cost(self, model_bytes: int) -> WorkCost:
        """Models of further services do not travel: every node draws them from the seed."""
        told = self.plan.inference
        if told.planned_flop_per_batch is not None and told.planned_bytes_per_batch is not None:
            return WorkCost(
                told.planned_flop_per_batch,
                told.planned_bytes_per_batch,
                model_bytes,
                told.planned_up_bytes_per_batch,
                told.planned_down_bytes_per_batch,
            )
        costs = [workload.cost(Stage.APPLICATION) for workload in self._workloads]
        return replace(mean_cost([self.plan], costs, self._inner_sizes), model_bytes=model_bytes)

    def batch(self, batch_id: int, stage: str) -> Arrays:
        """As the inner workload's; in the application stage the plan's batch, with ``arrival_s``."""
        if stage != Stage.APPLICATION:
            return self.inner.batch(batch_id, stage)
        if batch_id < len(self.plan.cuts):
            kind, arrivals = self.plan.kinds[batch_id], self.plan.batch_arrivals(batch_id)
            numbers = self.plan.batch_numbers(batch_id)
            if kind or not self._fixed:
                release_s = float(self.plan.released_s[batch_id])
                return self._tagged(kind, self._requests(kind, numbers), arrivals, release_s)
            batch_id = int(numbers[0]) // self.plan.inference.requests_per_batch
            return self._fixed_batch(batch_id, float(arrivals[0]))
        if self._fixed:
            return self._fixed_batch(batch_id, 0.0)
        if batch_id in self._asked_s:
            asked_s = self._asked_s[batch_id]
            arrays = self.inner.batch(batch_id, Stage.APPLICATION)
            return self._tagged(0, arrays, np.array([asked_s]), asked_s)
        if batch_id == 0:
            return self.template(0)  # no request arrives at this node
        raise ValueError(f"batch {batch_id} of {len(self.plan.cuts)} planned ones")

    def recall(self, turns: Sequence[Recalled]) -> None:
        """Turns of conversations that the node does not have; those of lost nodes are batches from here on. Raises
        ValueError where there are no conversations."""
        if not isinstance(self.inner, RecallsTurns):
            raise ValueError(f"{type(self.inner).__name__} has no conversations")
        self.inner.recall(turns)
        self._asked_s.update({each.batch_id: each.asked_s for each in turns if each.lost_node})

    def template(self, kind: int) -> Arrays:
        """What a batch of a service looks like: peers' batches are compared with it, also at a node without requests.

        Raises ValueError for a service that this node does not have.
        """
        if not 0 <= kind < len(self._workloads):
            raise ValueError(f"service {kind}; this node has 0 to {len(self._workloads) - 1}")
        return self._tagged(kind, self._requests(kind, np.zeros(1, dtype=np.int64)), np.zeros(1), 0.0)

    def _fixed_batch(self, number: int, start_s: float) -> Arrays:
        arrays = self.inner.batch(number, Stage.APPLICATION)
        return {**arrays, ARRIVAL: np.full(self._inner_sizes[0], start_s)}

    def _requests(self, kind: int, numbers: NDArray[np.int64]) -> Arrays:
        size = self._inner_sizes[kind]
        blocks = [int(block) for block in np.unique(numbers // size)]
        made = [self._workloads[kind].batch(block, Stage.APPLICATION) for block in blocks]
        places = np.searchsorted(blocks, numbers // size) * size + numbers % size
        return {name: np.concatenate([block[name] for block in made])[places] for name in made[0]}

    def _tagged(self, kind: int, arrays: Arrays, arrivals: np.ndarray, release_s: float) -> Arrays:
        tag = {SERVICE: np.full(len(arrivals), kind, dtype=np.uint8)} if kind else {}
        release = {RELEASE: np.full(len(arrivals), release_s)} if self._links else {}
        return {**arrays, ARRIVAL: arrivals, **release, **tag}

    def user_bytes(self, batch: Arrays, stage: str) -> UserBytes:
        """Of the service that the batch asks; when a request came, and of whom, travels with no request."""
        return self._workloads[service_of(batch)].user_bytes(_bare(batch), stage)

    def prepare(self, batches: Sequence[Arrays]) -> float:
        return self.inner.prepare(batches)

    def read(self, batch: Arrays) -> list[ReadPrompt]:
        """Read the prompts of a batch that another node answers. Raises ValueError where the task reads none."""
        return reader_of(self.inner)(_bare(batch))

    def train(
        self,
        parameters: Parameters,
        batches: Sequence[Arrays],
        options: Mapping[str, float],
        stop: Stop | None = None,
    ) -> TrainResult:
        return self.inner.train(parameters, batches, options, stop)

    def infer(self, parameters: Parameters, batches: Sequence[Arrays]) -> InferResult:
        """Answers: the node's own task with ``parameters``, further services with their own models. The time stamps
        are the node's business."""
        results = []
        for batch in batches:
            kind = service_of(batch)
            model = self._services[kind - 1][1] if kind else parameters
            results.append(self._workloads[kind].infer(model, [_bare(batch)]))
        return add_up(results)


def reader_of(workload: Workload) -> Callable[[Arrays], list[ReadPrompt]]:
    """How a workload reads prompts for another node. Raises ValueError where it reads none."""
    found: Callable[[Arrays], list[ReadPrompt]] | None = getattr(workload, "read", None)
    if found is None:
        raise ValueError(f"{type(workload).__name__} reads no prompts for other nodes")
    return found


def mean_cost(plans: Sequence[RequestPlan], costs: Sequence[WorkCost], sizes: Sequence[int]) -> WorkCost:
    """Mean cost of the batches of these plans. ``costs`` and ``sizes``: of a batch of each service, and its
    requests. Without any batch: of the largest that the first service allows."""
    each = (
        np.array(
            [
                (
                    cost.flop_per_batch,
                    cost.bytes_per_batch + stamp_bytes(plans[0].inference) * size,
                    cost.up_bytes,
                    cost.down_bytes,
                )
                for cost, size in zip(costs, sizes, strict=True)
            ]
        )
        / np.array(sizes)[:, None]
    )
    kinds = np.array([kind for plan in plans for kind in plan.kinds], dtype=np.int64)
    if len(kinds):
        requests = np.concatenate([plan.sizes for plan in plans])
        flop, size, up, down = requests @ each[kinds] / len(kinds)
    else:
        flop, size, up, down = plans[0].inference.requests_per_batch * each[0]
    return WorkCost(float(flop), math.ceil(size), up_bytes=float(up), down_bytes=float(down))


def stamp_bytes(inference: InferenceConfig) -> int:
    """Of a request's times, which travel with its batch."""
    return 16 if inference.upload_s > 0 else 8


def _size_of(workload: Workload) -> int:
    """Requests of a full batch; a workload that says so itself need not make one."""
    told: int | None = getattr(workload, "requests_per_batch", None)
    return len(next(iter(workload.batch(0, Stage.APPLICATION).values()))) if told is None else told


def _bare(batch: Arrays) -> Arrays:
    return {name: array for name, array in batch.items() if name not in (ARRIVAL, RELEASE, SERVICE)}
