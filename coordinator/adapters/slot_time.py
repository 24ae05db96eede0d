"""The runner's side of slots that are cut: replies are waited for until the slot is due to end, and no longer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from flwr.app import Message
from flwr.serverapp import Grid

from coordinator.adapters.flower_slots import SlotControl
from coordinator.adapters.flower_strategy import Chosen
from protos.messages.runner import SlotPlan, SlotSummary
from protos.messages.terms import Stage


class SlotTime:
    """The coordinator's calls; notes when the slot is due that it began last. A slot may begin ahead, in another
    thread: what is left of it counts from then on.
    """

    def __init__(self, control: SlotControl, clock: Callable[[], float] = time.monotonic) -> None:
        self._control, self._clock = control, clock
        self._due_s = math.inf

    def begin_slot(self, slot: int, stage: Stage, wait_s: float) -> SlotPlan:
        """As SlotControl."""
        plan = self._control.begin_slot(slot, stage, wait_s)
        left = [one.remaining_s for one in plan.decisions if one.remaining_s is not None]
        self._due_s = self._clock() + min(left, default=math.inf)
        return plan

    def end_slot(
        self, slot: int, wait_s: float, aggregated_parameters: int = 0, evaluated_examples: int = 0
    ) -> SlotSummary:
        """As SlotControl."""
        return self._control.end_slot(slot, wait_s, aggregated_parameters, evaluated_examples)

    def left_s(self) -> float:
        """Seconds until the slot is due to end."""
        return max(0.0, self._due_s - self._clock())

    def grid(self, inner: Grid) -> Grid:
        """``inner`` without replies that come after the slot's end."""
        return _InTime(inner, self.left_s)


class _InTime(Chosen):
    """All nodes of a grid, as long as their slot lasts."""

    def __init__(self, inner: Grid, left_s: Callable[[], float]) -> None:
        super().__init__(inner, ())
        self._left_s = left_s

    def get_node_ids(self) -> list[int]:
        return list(self._inner.get_node_ids())

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        left_s = self._left_s()
        return self._inner.send_and_receive(
            messages, timeout=left_s if timeout is None else min(timeout, left_s)
        )
