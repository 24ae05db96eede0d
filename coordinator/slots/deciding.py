"""Deciding a slot with complete information: wait for telemetry, draft the fleet, ask the policy, adopt its choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from coordinator.market.fleet import Fleet
from coordinator.policies.guard import Choice, choose
from coordinator.slots.books import Books
from coordinator.slots.decision_entry import decision_entry
from coordinator.slots.fleet_view import fleet_of
from coordinator.slots.missed import missed_choice
from coordinator.slots.protocol import Effects, RequestError, require_sendable
from coordinator.slots.schedule import Schedule
from coordinator.slots.sessions import Sessions
from coordinator.slots.state import Phase
from coordinator.slots.stateful_policy import StatefulPolicy
from protos.messages.runner import BeginSlot, SlotPlan
from protos.messages.slot import Telemetry


@dataclass(frozen=True, slots=True)
class Draft:
    """A fleet to decide upon, with the telemetry it was made from."""

    fleet: Fleet
    telemetry: dict[str, Telemetry]


class Deciding:
    """``begin`` returns whether there is anything to decide; the other methods follow each other as they stand."""

    def __init__(
        self,
        books: Books,
        sessions: Sessions,
        policy: StatefulPolicy,
        schedule: Schedule,
        clock: Callable[[], float],
    ) -> None:
        self._books, self._sessions, self._policy = books, sessions, policy
        self._schedule, self._clock = schedule, clock

    def begin(self, request: BeginSlot) -> tuple[SlotPlan, Effects] | None:
        """The stored plan of a slot decided before, with what is to be sent again; None: to be decided now.

        Raises RequestError when the slot is not the next one.
        """
        slot = self._books.slots.get(request.slot)
        if slot is None:
            self._require_next(request)
            return None
        if slot.stage is not request.stage:
            raise RequestError(
                "wrong_stage", f"slot {request.slot} was decided for {slot.stage}, not {request.stage}"
            )
        again = [n for n in slot.decisions if slot.owes_reading(n) and self._books.same_boot(slot, n)]
        sends = () if slot.phase is Phase.ENDED else tuple((node, slot.decisions[node]) for node in again)
        return slot.plan, Effects((), sends)

    def _require_next(self, request: BeginSlot) -> None:
        """Raises RequestError unless ``request`` is for the next slot of the run, and the one before is ended."""
        stages, next_slot = self._books.config.stages, self._books.next_slot
        if request.slot != next_slot:
            raise RequestError("wrong_slot", f"slot {request.slot} asked for; the next is {next_slot}")
        if request.slot >= len(stages):
            raise RequestError("run_over", f"the run has {len(stages)} slots; {request.slot} is beyond")
        if stages[request.slot] is not request.stage:
            raise RequestError(
                "wrong_stage",
                f"slot {request.slot} is {stages[request.slot]} in this run, not {request.stage}",
            )
        if self._books.open_slot is not None:
            raise RequestError("slot_open", f"slot {request.slot - 1} is not ended; call EndSlot first")
        self._require_in_step(request)

    def _require_in_step(self, request: BeginSlot) -> None:
        """Raises RequestError where all later slots would be missed, too."""
        run_time = self._books.run_time
        if run_time.falls_behind:
            raise RequestError(
                "never_in_time",
                f"slot {request.slot} is refused: the run is {run_time.overran_s:.3g} s late, and missed slots make it "
                f"later still: to decide and end one takes longer than time.slot_s = {run_time.slot_s:g} s; choose "
                f'longer slots, or overrun = "stretch"',
            )

    def awaiting_telemetry(self, among: Sequence[str] | None = None) -> tuple[str, ...]:
        """Live nodes without telemetry of the next slot; before the first slot, any node of the run. ``among``: of
        these alone."""
        books = self._books
        nodes = books.config.node_ids if among is None else among
        expected = self._sessions.living(nodes) if books.next_slot else nodes
        return tuple(
            node
            for node in expected
            if node not in books.waiting and books.unheard.get(node) != books.next_slot
        )

    def ready(self) -> tuple[str, ...]:
        """Live nodes with telemetry of the next slot."""
        waiting = self._books.waiting
        return tuple(node for node in self._sessions.live() if node in waiting)

    def is_ready(self) -> bool:
        """Whether there is such a node."""
        waiting = self._books.waiting
        return any(self._sessions.living((node,)) for node in waiting)

    def draft(self) -> Draft:
        """The draft to decide upon: live nodes with telemetry. Raises RequestError when there is none."""
        ready = self.ready()
        if not ready:
            raise RequestError(
                "no_nodes",
                f"no live node has sent telemetry of slot {self._books.next_slot}; live are "
                f"{sorted(self._sessions.live())}",
            )
        return Draft(fleet_of(self._books, ready), {node: self._books.waiting[node] for node in ready})

    def choose(self, draft: Draft) -> tuple[Choice, Any]:
        """Ask the policy, and check its answer; for a missed slot no policy is asked. Pure: may run in a thread while
        messages are handled."""
        if self._schedule.is_missed:
            return missed_choice(draft.fleet), self._policy.state
        return choose(self._policy.policy, self._policy.state, draft.fleet, self._clock)

    def adopt(
        self, request: BeginSlot, draft: Draft, choice: Choice, state: Any
    ) -> tuple[SlotPlan, Effects] | None:
        """Make a choice the slot's decision: durable first, then sent.

        None when the telemetry of a node of the draft changed meanwhile: then draft and choose again.
        """
        if any(self._books.waiting.get(node) is not told for node, told in draft.telemetry.items()):
            return None
        missed, ids = self._schedule.is_missed, draft.fleet.node_ids
        entry = decision_entry(self._books, request, ids, choice, missed=missed)
        with self._books.together():
            effects = self._books.enter([entry])
            plan = require_sendable(self._books.slots[request.slot].plan)
            sends = tuple((decision.node_id, decision) for decision in plan.decisions)
        self._policy.state = state
        return plan, Effects(effects.entries, sends)
