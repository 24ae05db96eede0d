"""A node's part in serving: the plan of its requests, the board's queue from slot to slot, the figures reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edge_node.config import NodeConfig
from edge_node.serving.arrivals import RequestPlan
from edge_node.serving.queue import Job, available_s, serve
from edge_node.serving.requests import ARRIVAL
from edge_node.serving.tally import Service, Tally
from edge_node.workload import Arrays, BatchWork, InferResult
from protos.messages import Serving

if TYPE_CHECKING:
    from edge_node.slot import SlotState


class SlotServing:
    """Latencies of a node's slots. ``measured``: service times as measured, not from counted work."""

    def __init__(self, config: NodeConfig, measured: bool) -> None:
        self._config, self._measured = config, measured
        self.plan = RequestPlan.of(config)
        self._free_s = 0.0

    @property
    def deadline_slots(self) -> int | None:
        """Slots by which requests may be put off without missing their latency target; None: no target."""
        target_s = self._config.inference.latency_target_s
        return None if target_s is None else int(target_s // self._config.slot_s)

    def finish(
        self, state: SlotState, result: InferResult, owners: Mapping[str, int], batches: Sequence[Arrays]
    ) -> None:
        """The slot's batches are answered: enter their figures. ``owners``: batches by owner, in order."""
        begin_s = state.slot * self._config.slot_s + (self._config.board.wake_s if state.woke else 0.0)
        names = [owner for owner, count in owners.items() for _ in range(count)]
        services = [self.service(work) for work in result.by_batch]
        jobs = [
            Job(
                owner=owner,
                arrival_s=np.asarray(batch[ARRIVAL]),
                service_s=service.total_s,
                payload_bytes=0
                if owner == self._config.node_id
                else sum(np.asarray(array).nbytes for array in batch.values()),
            )
            for owner, batch, service in zip(names, batches, services, strict=True)
        ]
        available = available_s(jobs, self._config.inference, self._config.slot_s, begin_s)
        # What the last slot left undone comes first.
        served = serve(jobs, available, max(self._free_s, begin_s))
        self._free_s = served.free_s
        state.serving.add(result, served.latency_s, sum(services, Service(0.0, 0.0)))

    def service(self, work: BatchWork) -> Service:
        """The board's time for a piece of work: as measured, or counted operations on its effective speed."""
        if self._measured:
            return Service(work.seconds - work.decode_s, work.decode_s)
        speed = self._config.board.effective_flop_per_s
        return Service((work.flop - work.decode_flop) / speed, work.decode_flop / speed)

    def report(self, tally: Tally) -> Serving | None:
        """A tally as it is reported; None when nothing was served."""
        if not tally.requests:
            return None
        return tally.report(self._config.task.name, self._config.inference.latency_target_s)
