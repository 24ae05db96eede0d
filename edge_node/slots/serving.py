"""A node's part in serving: the plan of its requests, the board's queue from slot to slot, the figures reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edge_node.config import BoardConfig, NodeConfig
from edge_node.serving.arrivals import RequestPlan, batching
from edge_node.serving.naps import Forecast, Habits, Napper
from edge_node.serving.queue import Job, Served, available_s, serve
from edge_node.serving.request_times import TimedUse, timed
from edge_node.serving.requests import ARRIVAL, RELEASE, SERVICE, service_of
from edge_node.serving.tally import Service, Tally
from edge_node.slots.slot import SlotState
from edge_node.workload import HANDED, Arrays, BatchWork, InferResult, RequestUse
from protos.messages.slot import Serving
from protos.messages.terms import Stage


class SlotServing:
    """Latencies of a node's slots. ``measured``: service times as measured, not from counted work."""

    def __init__(self, config: NodeConfig, measured: bool) -> None:
        self._config, self._measured = config, measured
        self._board, self._stretch = config.board, 1.0
        self.plan = RequestPlan.of(config)
        self.free_s = 0.0
        """When the board has answered all that was asked, in seconds of slot time."""
        told = config.inference
        # [C]: runs are shorter than the study's days, so that it predicts from eight gaps on.
        habits = Habits(idle_s=told.idle_s, gaps=16)
        self._napper = Napper(told.between, config.board.wake_s, Forecast(self.plan.needs_s, habits))
        self._naps = told.between != "awake"

    def run_at(self, board: BoardConfig, stretch: float) -> None:
        """From here on the board works at the speed of another operating point. ``stretch``: its seconds for one that
        is timed here."""
        self._board, self._stretch = board, stretch

    @property
    def deadline_slots(self) -> int | None:
        """Slots by which requests may be put off without missing the strictest latency target; None: no target."""
        inference = self._config.inference
        targets = [inference.latency_target_s, *(each.latency_target_s for each in inference.services)]
        given = [target for target in targets if target is not None]
        return int(min(given) // self._config.slot_s) if given else None

    def finish(
        self, state: SlotState, result: InferResult, owners: Mapping[str, int], batches: Sequence[Arrays]
    ) -> None:
        """The slot's batches are answered: enter their figures. ``owners``: batches by owner, in order."""
        begin_s = self._begin_s(state)
        names = [owner for owner, count in owners.items() for _ in range(count)]
        kinds = [service_of(batch) for batch in batches]
        # Seconds of requests to a language model are its meter's, which knows the operating point.
        stretch = 1.0 if result.uses else self._stretch
        services = [self.service(_stretched(work, stretch)) for work in result.by_batch]
        jobs = []
        for owner, batch, service, kind in zip(names, batches, services, kinds, strict=True):
            most, wait_s = batching(self._config.inference, kind)
            payload = 0 if owner == self._config.node_id else _travelling_bytes(batch)
            release_s = float(batch[RELEASE][0]) if RELEASE in batch else None
            arrival_s = np.asarray(batch[ARRIVAL])
            read = [prompt.read_s for prompt in batch.get(HANDED, ()) if prompt is not None]
            job = Job(owner, arrival_s, service.total_s, payload, most, wait_s, release_s)
            jobs.append(replace(job, read_s=max(read)) if read else job)
        served = self._queue(state, jobs, begin_s)
        self.free_s = served.free_s
        # Only requests to a language model are named one by one.
        ids = batch_ids(state, self._config.node_id, owners) if result.uses else [-1] * len(jobs)
        latencies = served.latency_s[: len(jobs)]
        for kind, part, latency_s, service, job, batch_id in zip(
            kinds, result.parts, latencies, services, jobs, ids, strict=True
        ):
            if part.uses:
                asked = self._asked(part.uses, job, float(latency_s[0] + job.arrival_s[0]), batch_id)
                state.language += asked
                latency_s = np.array([each.latency_s for each in asked if not each.use.failed])
            state.serving.setdefault(kind, Tally()).add(part, latency_s, service)

    def _begin_s(self, state: SlotState) -> float:
        """When the board is there, in the slot."""
        return state.slot * self._config.slot_s + (self._config.board.wake_s if state.woke else 0.0)

    def _queue(self, state: SlotState, jobs: Sequence[Job], begin_s: float) -> Served:
        # What the last slot left undone comes first; prompts that were read for other nodes took their time.
        jobs = [*jobs, *state.readings]
        link, slot_s = self._config.inference.link_bytes_per_s, self._config.slot_s
        available = available_s(jobs, link, slot_s, begin_s)
        if not self._naps:
            return serve(jobs, available, max(self.free_s, begin_s))
        until_s = (state.slot + 1) * self._config.slot_s
        served, rest = self._napper.serve(jobs, available, self._idle_since_s(state, begin_s), until_s)
        state.rest = rest.within(state.slot * self._config.slot_s, until_s)
        return served

    def _idle_since_s(self, state: SlotState, begin_s: float) -> float:
        """Boards sleep between the batches of one slot or of several, where it serves in all of them."""
        served_before = state.slot > 0 and self._config.stages[state.slot - 1] is Stage.APPLICATION
        return self.free_s if served_before and not state.woke else max(self.free_s, begin_s)

    def rest(self, state: SlotState) -> tuple[float, int]:
        """(seconds asleep, wake-ups) between the batches of a slot that is over; (0, 0) where the board stays awake."""
        if not self._naps or state.stage is not Stage.APPLICATION or not state.awake:
            return 0.0, 0
        if state.rest is None:  # nothing was served
            self._queue(state, (), self._begin_s(state))
        return state.rest or (0.0, 0)

    def read_ahead(
        self, state: SlotState, batch_id: int, batch: Arrays, uses: Sequence[RequestUse]
    ) -> list[float]:
        """Prompts of an own batch were read for another node: enter them, and return when each was read, in slot time.
        The board reads them one after the other as their batch is closed; its own work does not delay them."""
        begin_s = self._begin_s(state)
        release_s = float(batch[RELEASE][0]) if RELEASE in batch else None
        most, wait_s = batching(self._config.inference, service_of(batch))
        arrivals = np.asarray(batch[ARRIVAL])
        seconds = [
            self.service(BatchWork(use.flop, use.seconds, use.decode_flop, use.decode_s)).total_s
            for use in uses
        ]
        job = Job(self._config.node_id, arrivals, sum(seconds), 0, most, wait_s, release_s)
        (ready_s,) = available_s([job], self._config.inference.link_bytes_per_s, self._config.slot_s, begin_s)
        at_s = max(ready_s, self.free_s, state.read_until_s)
        ends = [at_s + float(done) for done in np.cumsum(seconds)]
        state.read_until_s = ends[-1]
        state.readings.append(job)
        state.language += [
            TimedUse(
                self._config.node_id,
                batch_id,
                place,
                use,
                end_s - float(arrived),
                end_s - float(arrived),
                None,
            )
            for place, (use, end_s, arrived) in enumerate(zip(uses, ends, arrivals, strict=True))
        ]
        return ends

    def _asked(self, uses: Sequence[RequestUse], job: Job, end_s: float, batch_id: int) -> list[TimedUse]:
        """A batch's requests to a language model, which the board had answered at ``end_s``."""
        services = [
            self.service(BatchWork(use.flop, use.seconds, use.decode_flop, use.decode_s)) for use in uses
        ]
        first_s = [
            use.first_s if self._measured else service.prefill_s
            for use, service in zip(uses, services, strict=True)
        ]
        times = timed(uses, services, first_s, job.arrival_s.tolist(), end_s)
        return [
            TimedUse(job.owner, batch_id, place, use, *when)
            for place, (use, when) in enumerate(zip(uses, times, strict=True))
        ]

    def service(self, work: BatchWork) -> Service:
        """The board's time for a piece of work: as measured, or counted operations on its effective speed."""
        if self._measured:
            return Service(work.seconds - work.decode_s, work.decode_s)
        speed = self._board.effective_flop_per_s
        return Service((work.flop - work.decode_flop) / speed, work.decode_flop / speed)

    def report(self, tally: Tally, kind: int = 0) -> Serving | None:
        """A service's tally as it is reported; None when nothing was served."""
        if not tally.requests:
            return None
        if kind:
            service = self._config.inference.services[kind - 1]
            return tally.report(service.name, service.latency_target_s)
        return tally.report(self._config.task.name, self._config.inference.latency_target_s)

    def reports(self, tallies: Mapping[int, Tally]) -> tuple[Serving, ...]:
        """Of each service that answered, in their order."""
        found = (self.report(tallies[kind], kind) for kind in sorted(tallies))
        return tuple(report for report in found if report is not None)


def batch_ids(state: SlotState, node_id: str, owners: Mapping[str, int]) -> list[int]:
    """Numbers of the batches that were run, in their order (edge_node.slots.work.gather)."""
    found: list[int] = []
    for owner, count in owners.items():
        own = owner == node_id
        every = [batch.batch_id for batch in sorted(state.own)] if own else state.incoming[owner].batch_ids
        found += every[:count]
    return found


def _stretched(work: BatchWork, stretch: float) -> BatchWork:
    return replace(work, seconds=work.seconds * stretch, decode_s=work.decode_s * stretch)


def _travelling_bytes(batch: Arrays) -> int:
    caches = sum(len(prompt.cache) for prompt in batch.get(HANDED, ()) if prompt is not None)
    return caches + sum(
        np.asarray(array).nbytes for name, array in batch.items() if name not in (SERVICE, HANDED)
    )
