"""The runner's calls: a slot is begun and ended, with the waits for nodes in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from coordinator.adapters.durability import Awaited, Durability
from coordinator.adapters.live_signals import LiveSignals
from coordinator.slots.protocol import Effects
from coordinator.slots.service import CoordinatorService
from protos.messages.runner import (
    BeginSlot,
    EndSlot,
    Report,
    ReportQuery,
    SlotPlan,
    SlotSummary,
    Status,
    StatusRequest,
)

MARKET_S = 90.0
"""Longest negotiation, beyond the wait for nodes; below the runner's patience for a decision."""


class RunnerCalls:
    """One call of a slot at a time."""

    def __init__(
        self,
        service: CoordinatorService,
        durability: Durability,
        clock: Callable[[], float],
        signals: LiveSignals | None = None,
    ) -> None:
        self._signals = signals
        self._service, self._durability, self._clock = service, durability, clock
        self._slot_lock = asyncio.Lock()

    async def _until(self, awaited: Awaited, deadline: float) -> None:
        await self._durability.until_none(awaited, deadline, self._service.sessions.next_expiry)

    async def begin_slot(self, request: BeginSlot) -> SlotPlan:
        async with self._slot_lock:
            deadline = self._clock() + self._service.schedule.patience_s(request.wait_s)
            while True:
                known = self._service.deciding.begin(request)
                if known is None:
                    await self._freeze()
                if known is None and self._service.policy.negotiates:
                    known = await self._negotiate(request, deadline)
                if known is None:
                    await self._until_told(deadline)
                    await self._until_clocks_known(request.wait_s)
                    draft = self._service.deciding.draft()
                    # In a thread, so that heartbeats are kept while a large program is solved.
                    choice, state = await asyncio.to_thread(self._service.deciding.choose, draft)
                    known = self._service.deciding.adopt(request, draft, choice, state)
                if known is not None:
                    plan, effects = known
                    await self._durability.commit(effects)
                    return self._service.schedule.timed_plan(plan)

    async def _freeze(self) -> None:
        """Live intensities of the slot that begins. Raises RequestError where one is missing."""
        if self._signals is None or (later := self._service.freezing.due()) is None:
            return
        # In a thread, so that heartbeats are kept while a service is waited for.
        frozen = await asyncio.to_thread(self._signals.freeze, later)
        await self._durability.commit(self._service.freezing.freeze(*frozen))

    async def _until_told(self, deadline: float) -> None:
        """Until live nodes have sent their telemetry. Of nodes that went away meanwhile others take the place, or they
        come back: as long as there is time, a slot is not given up because the last one went."""
        deciding = self._service.deciding
        while True:
            await self._until(
                lambda _: () if deciding.is_ready() else self._service.config.node_ids, deadline
            )
            await self._until(deciding.awaiting_telemetry, deadline)
            if deciding.is_ready() or self._clock() >= deadline:
                return

    async def _until_clocks_known(self, wait_s: float) -> None:
        """Until the clocks of the slot's nodes are known well enough, which are measured over and over meanwhile: a
        slot that begins late is better than none. Raises RequestError where one is not known after ``wait_s``."""
        service, deadline = self._service, self._clock() + wait_s
        while (nodes := service.unknown_clocks()) and self._clock() < deadline:
            await self._durability.commit(Effects((), service.clocks.ask(nodes)))
            await self._until(lambda among: service.clocks.asked(service.unknown_clocks(among)), deadline)
        service.require_clocks()

    def _nobody(self, among: Sequence[str] | None) -> tuple[str, ...]:
        """All nodes, where none is there."""
        return () if self._service.sessions.live() else self._service.config.node_ids

    async def _negotiate(self, request: BeginSlot, deadline: float) -> tuple[SlotPlan, Effects]:
        """Hold the slot's market. Nodes have until ``deadline`` to come, and a lease for every answer."""
        await self._until(self._nobody, deadline)
        await self._until(self._service.negotiating.awaiting_nodes, deadline)
        await self._until_clocks_known(request.wait_s)
        over = self._clock() + request.wait_s + MARKET_S
        # The wait for a node that did not come must not be taken from the answers of those that did.
        deadline = max(deadline, self._clock() + self._service.config.lease_s)
        said: Effects | None = self._service.negotiating.open()
        while said is not None:
            await self._durability.commit(said)
            await self._until(self._service.negotiating.awaiting_offers, deadline)
            said = self._service.negotiating.step(out_of_time=self._clock() >= over)
            deadline = self._clock() + self._service.config.lease_s
        return self._service.negotiating.adopt(request)

    async def end_slot(self, request: EndSlot) -> SlotSummary:
        async with self._slot_lock:
            while (left_s := self._service.closing.wait_s(request)) > 0:
                await asyncio.sleep(left_s)
            wait_s = self._service.schedule.patience_s(request.wait_s)
            deadline = self._clock() + wait_s
            done, effects = self._service.closing.close(request)
            await self._durability.commit(effects)
            if done is not None:
                return done
            await self._until(self._service.closing.awaiting_usage, deadline)
            await self._durability.commit(self._service.closing.trade())
            # Who has metered gets as long again to settle: a grant must not be cut off by a slow neighbour.
            await self._until(self._service.closing.awaiting_settlement, self._clock() + wait_s)
            summary, effects = self._service.closing.finish(request)
            await self._durability.commit(effects)
            return summary

    async def get_status(self, request: StatusRequest) -> Status:
        status = self._service.status()
        await self._durability.commit(Effects())
        return status

    async def get_report(self, request: ReportQuery) -> Report:
        report = self._service.report(request)
        await self._durability.commit(Effects())
        return report
