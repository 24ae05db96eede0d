"""The slots of a run on the wall clock: when the open one is due, and how long it lasted. The clock is injected.

Nothing here is durable. A restarted coordinator goes on from the run time that its ledger holds (``run_time``): a slot
that was open then has its whole length before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from coordinator.slots.run_time import RunTime
from protos.messages.runner import SlotPlan
from protos.messages.slot import CloseSlot, Decision
from protos.messages.stream import DownMessage
from protos.messages.terms import Overrun


@dataclass(frozen=True, slots=True)
class Lasted:
    """A slot as the coordinator's clock saw it."""

    duration_s: float
    overrun_s: float


class Schedule:
    """Maps run time to ``clock``, in monotonic seconds. On the virtual clock everything is as without a schedule."""

    def __init__(self, run_time: Callable[[], RunTime], clock: Callable[[], float]) -> None:
        """``run_time``: as the books have it."""
        self._books_time, self._clock = run_time, clock
        self._origin_s: float | None = None
        """The clock at run time 0."""
        self._asked: tuple[int, float] | None = None
        self._closed: tuple[int, float] | None = None
        """(slot, run time), the first time each: calls are repeated."""

    @property
    def _run_time(self) -> RunTime:
        return self._books_time()

    @property
    def is_wall(self) -> bool:
        return self._run_time.overrun is not None

    @property
    def is_missed(self) -> bool:
        """Whether the next slot's time went by while the last one overran."""
        return self._run_time.is_missed

    def now_s(self) -> float:
        """Run time. It begins with the first call: when the first decision leaves, or the coordinator came back."""
        if self._origin_s is None:
            self._origin_s = self._clock() - self._run_time.end_s
        return self._clock() - self._origin_s

    def left_s(self) -> float:
        """Seconds until the open slot is due; 0 once it is, and on the virtual clock."""
        return max(0.0, self._run_time.due_s - self.now_s()) if self.is_wall else 0.0

    def patience_s(self, wait_s: float) -> float:
        """How long a slot's nodes are waited for: where slots end on time, others must not lose theirs."""
        hurried = self._run_time.overrun in (Overrun.SKIP, Overrun.CUT)
        return min(wait_s, self._run_time.slot_s / 2) if hurried else wait_s

    # --- what leaves now -----------------------------------------------------------------------------------

    def leaving(self, message: DownMessage) -> DownMessage:
        """A message that is sent to a node now: once what it rests on is durable, which takes its time."""
        if isinstance(message, CloseSlot):
            self.close(message.slot)
        return self.timed(message) if isinstance(message, Decision) and self.is_wall else message

    def timed(self, decision: Decision) -> Decision:
        """A decision that is sent now. Where slots are cut, a node waits for nothing beyond the slot's end."""
        left_s = self.left_s()
        hurried = self._run_time.overrun is Overrun.CUT
        deadline_s = min(decision.deadline_s, left_s) if hurried else decision.deadline_s
        return replace(decision, remaining_s=left_s, deadline_s=deadline_s)

    def timed_plan(self, plan: SlotPlan) -> SlotPlan:
        """The decisions of a slot as the runner gets them now."""
        if not self.is_wall:
            return plan
        return replace(plan, decisions=tuple(map(self.timed, plan.decisions)))

    # --- the slot's end ------------------------------------------------------------------------------------

    def ask(self, slot: int) -> None:
        """The runner asks to end ``slot``: its work is done."""
        if self.is_wall and (self._asked is None or self._asked[0] != slot):
            self._asked = slot, self.now_s()

    def close(self, slot: int) -> None:
        """The first node is asked to close ``slot`` now."""
        if self.is_wall and (self._closed is None or self._closed[0] != slot):
            self._closed = slot, self.now_s()

    def lasted(self, slot: int) -> Lasted | None:
        """How long ``slot`` lasted, once closed. None on the virtual clock."""
        if not self.is_wall:
            return None
        self.ask(slot)
        self.close(slot)
        assert self._asked is not None
        assert self._closed is not None
        overrun_s = max(0.0, self._asked[1] - self._run_time.due_s)
        return Lasted(max(0.0, self._closed[1] - self._run_time.end_s), overrun_s)
