"""The coordinator in the caller's own process: for in-process fleets, tests and simulation. No network, no
threads.

Messages of nodes are handled in rounds: all that wait are taken up, their entries committed together (one
sync for all of them), and only then are the answers delivered, which may bring the next round.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator

from coordinator.adapters.live_signals import open_signals
from coordinator.config import CoordinatorConfig
from coordinator.ledger import Ledger
from coordinator.policies.base import Policy
from coordinator.slots.protocol import Effects, Refused, RequestError
from coordinator.slots.service import CoordinatorService
from protos.messages.runner import BeginSlot, EndSlot, Report, ReportQuery, SlotPlan, SlotSummary, Status
from protos.messages.stream import DownMessage, Refusal, Register, UpMessage

Deliver = Callable[[str, DownMessage], None]
MOST_ROUNDS = 1000
"""Rounds of question and answer within one call; more means that two parties chatter for ever."""


class DirectCoordinator:
    """Coordinator with a ledger, driven by calls. ``deliver(node_id, message)`` hands a message to a node.

    ``deliver`` may call ``receive`` at once, or later. ``clock``: seconds, e.g. a virtual clock's reading;
    a constant means that leases never end. ``wall_clock`` and ``sleep``: of slots on the wall clock.
    """

    def __init__(
        self,
        config: CoordinatorConfig,
        policy: Policy,
        deliver: Deliver,
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.ledger = Ledger(config.ledger_path, config.run_id)
        try:
            recorded = (stored.entry for stored in self.ledger.entries())
            self.service = CoordinatorService(
                config, policy, clock, self.ledger.digest, recorded, os.getpid(), wall_clock
            )
            self._sleep = sleep
            self.deliver = deliver
            self.sessions: dict[str, int] = {}
            self._inbox: deque[tuple[str, UpMessage]] = deque()
            self._pumping = False
            self._commit(self.service.start())
            self._signals = open_signals(config)
        except BaseException:
            self.ledger.close()
            raise

    def receive(self, node_id: str, message: UpMessage) -> None:
        """Take a node's message. A Register opens its (only) stream."""
        self._inbox.append((node_id, message))
        self._pump()

    def begin_slot(self, request: BeginSlot) -> SlotPlan:
        """Decide a slot, or send a decided one again. Raises RequestError."""
        known = self.service.deciding.begin(request)
        if known is None:
            self._freeze()
            self.service.require_clocks()
        if known is None and self.service.policy.negotiates:
            said: Effects | None = self.service.negotiating.open()
            while said is not None:
                self.carry_out(said)
                said = self.service.negotiating.step()
            known = self.service.negotiating.adopt(request)
        if known is None:
            missing = self.service.deciding.awaiting_telemetry()
            draft = self.service.deciding.draft()
            choice, state = self.service.deciding.choose(draft)
            known = self.service.deciding.adopt(request, draft, choice, state)
            if known is None:
                raise RequestError(
                    "changed", f"the fleet changed while it was decided upon; missing {missing}"
                )
        plan, effects = known
        self.carry_out(effects)
        return self.service.schedule.timed_plan(plan)

    def _freeze(self) -> None:
        """Live intensities of the slot that begins. Raises RequestError where one is missing."""
        if self._signals is None or (later := self.service.freezing.due()) is None:
            return
        self.carry_out(self.service.freezing.freeze(*self._signals.freeze(later)))

    def end_slot(self, request: EndSlot) -> SlotSummary:
        """Close, meter, trade, settle and book a slot. A node that does not answer at once gets a gap."""
        while (left_s := self.service.closing.wait_s(request)) > 0:
            self._sleep(left_s)
        done, effects = self.service.closing.close(request)
        self.carry_out(effects)
        if done is not None:
            return done
        self.carry_out(self.service.closing.trade())
        summary, effects = self.service.closing.finish(request)
        self.carry_out(effects)
        return summary

    def status(self) -> Status:
        return self.service.status()

    def report(self, query: ReportQuery) -> Report:
        return self.service.report(query)

    def close(self) -> None:
        """Close the ledger, and poll no longer."""
        if self._signals is not None:
            self._signals.close()
        self.ledger.close()

    def _commit(self, effects: Effects) -> None:
        if effects.entries:
            self.ledger.write(effects.entries)

    def carry_out(self, effects: Effects) -> None:
        self._commit(effects)
        # Answers to what is delivered here must wait until all of it is delivered.
        outer, self._pumping = self._pumping, True
        try:
            self._send(effects)
        finally:
            self._pumping = outer
        self._pump()

    def _send(self, effects: Effects) -> None:
        for node_id, message in effects.sends:
            self.deliver(node_id, self.service.leaving(message))

    def _pump(self) -> None:
        if self._pumping:
            return
        self._pumping = True
        try:
            for _ in self._rounds():
                taken: list[Effects] = []
                try:
                    for _ in range(len(self._inbox)):
                        taken.append(self._handle(*self._inbox.popleft()))
                finally:  # also where one message raises: the books hold the others already
                    self._commit(Effects(tuple(entry for effects in taken for entry in effects.entries)))
                for effects in taken:
                    self._send(effects)
        finally:
            self._pumping = False

    def _rounds(self) -> Iterator[int]:
        for count in range(MOST_ROUNDS):
            if not self._inbox:
                return
            yield count
        raise RuntimeError(f"{MOST_ROUNDS} rounds of messages and no end; waiting: {list(self._inbox)[:3]}")

    def _handle(self, node_id: str, message: UpMessage) -> Effects:
        try:
            if isinstance(message, Register):
                self.sessions[node_id], effects = self.service.register(message)
                return effects
            if node_id not in self.sessions:
                return Effects((), ((node_id, Refusal("not_registered", f"{node_id} has not registered")),))
            return self.service.receive(node_id, self.sessions[node_id], message)
        except Refused as refused:
            sends = tuple((node_id, answer) for answer in (refused.refusal, *refused.follow))
            return Effects(refused.alarms, sends)
