"""The waits within a runner's call, on a clock that stands still otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from coordinator.adapters.runner_calls import RunnerCalls
from coordinator.slots.protocol import Effects
from protos.messages.runner import BeginSlot
from protos.messages.terms import Stage

LEASE_S = 8.0


class Waits:
    """Takes the place of durability. Every wait lasts to its deadline."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lasted: list[float] = []

    async def until_none(self, awaited: Any, deadline: float, next_expiry: Callable[[], float]) -> None:
        self.lasted.append(deadline - self.now)
        self.now = max(self.now, deadline)

    async def commit(self, effects: Effects) -> None:
        pass


def test_nodes_may_answer_a_market_that_waited_for_another_node_to_the_last_moment() -> None:
    waits = Waits()
    questions = iter([Effects(), None])
    negotiating = SimpleNamespace(
        awaiting_nodes=lambda: ("n1",),
        awaiting_offers=lambda: ("n0",),
        open=Effects,
        step=lambda out_of_time: next(questions),
        adopt=lambda request: ("plan", Effects()),
    )
    service: Any = SimpleNamespace(
        deciding=SimpleNamespace(begin=lambda request: None),
        policy=SimpleNamespace(negotiates=True),
        negotiating=negotiating,
        config=SimpleNamespace(lease_s=LEASE_S),
        sessions=SimpleNamespace(next_expiry=lambda: 0.0),
    )
    calls = RunnerCalls(service, waits, lambda: waits.now)  # type: ignore[arg-type]
    assert asyncio.run(calls.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 10.0))) == "plan"
    assert waits.lasted == [10.0, LEASE_S, LEASE_S]
