"""The waits within a runner's call, on a clock that stands still otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from coordinator.adapters.runner_calls import RunnerCalls
from coordinator.slots.protocol import Effects
from coordinator.slots.run_time import RunTime
from coordinator.slots.schedule import Schedule
from protos.messages.runner import BeginSlot
from protos.messages.terms import Stage

LEASE_S = 8.0
VIRTUAL = Schedule(lambda: RunTime.start(60.0, None), float)


CLOCKS_KNOWN: Any = {"unknown_clocks": tuple, "require_clocks": lambda: None}
"""As on the virtual clock."""


class Waits:
    """Takes the place of durability. A wait for something that is lacking lasts to its deadline."""

    def __init__(self) -> None:
        self.now = 0.0
        self.lasted: list[float] = []

    async def until_none(self, awaited: Any, deadline: float, next_expiry: Callable[[], float]) -> None:
        if awaited(None):
            self.lasted.append(deadline - self.now)
            self.now = max(self.now, deadline)

    async def commit(self, effects: Effects) -> None:
        pass


def test_nodes_may_answer_a_market_that_waited_for_another_node_to_the_last_moment() -> None:
    waits = Waits()
    questions = iter([Effects(), None])
    negotiating = SimpleNamespace(
        awaiting_nodes=lambda _: ("n1",),
        awaiting_offers=lambda _: ("n0",),
        open=Effects,
        step=lambda out_of_time: next(questions),
        adopt=lambda request: ("plan", Effects()),
    )
    service: Any = SimpleNamespace(
        **CLOCKS_KNOWN,
        deciding=SimpleNamespace(begin=lambda request: None),
        policy=SimpleNamespace(negotiates=True),
        negotiating=negotiating,
        config=SimpleNamespace(lease_s=LEASE_S),
        sessions=SimpleNamespace(next_expiry=lambda: 0.0, live=lambda: ("n0",)),
        schedule=VIRTUAL,
    )
    calls = RunnerCalls(service, waits, lambda: waits.now)  # type: ignore[arg-type]
    assert asyncio.run(calls.begin_slot(BeginSlot(0, Stage.DEVELOPMENT, 10.0))) == "plan"
    assert waits.lasted == [10.0, LEASE_S, LEASE_S]


def test_where_no_node_is_there_a_slot_waits_for_one() -> None:
    there: list[str] = []

    class Coming(Waits):
        async def until_none(self, awaited: Any, deadline: float, next_expiry: Callable[[], float]) -> None:
            if not there:
                assert awaited(None) == ("n0", "n1")
                there.append("n1")
            assert awaited(None) == ()

    deciding = SimpleNamespace(
        begin=lambda request: None,
        is_ready=lambda: bool(there),
        awaiting_telemetry=lambda _: (),
        draft=lambda: tuple(there),
        choose=lambda draft: (draft, None),
        adopt=lambda request, draft, choice, state: (choice, Effects()),
    )
    service: Any = SimpleNamespace(
        **CLOCKS_KNOWN,
        deciding=deciding,
        policy=SimpleNamespace(negotiates=False),
        config=SimpleNamespace(node_ids=("n0", "n1")),
        sessions=SimpleNamespace(next_expiry=lambda: 0.0, live=lambda: tuple(there)),
        schedule=VIRTUAL,
    )
    calls = RunnerCalls(service, Coming(), lambda: 0.0)  # type: ignore[arg-type]
    plan: Any = asyncio.run(calls.begin_slot(BeginSlot(3, Stage.DEVELOPMENT, 10.0)))
    assert plan == ("n1",)


def test_a_slot_is_not_given_up_because_the_last_node_went_away_while_it_waited_for_others() -> None:
    """n0 has sent its telemetry, n1 is waited for; both die; n1 comes back later."""
    there = [("n0",), (), ("n1",)]

    class Dying(Waits):
        async def until_none(self, awaited: Any, deadline: float, next_expiry: Callable[[], float]) -> None:
            self.lasted.append(len(awaited(None)))
            if awaited(None) and len(there) == 2:
                there.pop(0)  # n1 comes
            elif len(there) == 3 and len(self.lasted) == 2:
                there.pop(0)  # n0's lease ends

    deciding = SimpleNamespace(
        begin=lambda request: None,
        is_ready=lambda: bool(there[0]),
        awaiting_telemetry=lambda _: () if len(there) < 3 else ("n1",),
        draft=lambda: there[0],
        choose=lambda draft: (draft, None),
        adopt=lambda request, draft, choice, state: (choice, Effects()),
    )
    service: Any = SimpleNamespace(
        **CLOCKS_KNOWN,
        deciding=deciding,
        policy=SimpleNamespace(negotiates=False),
        config=SimpleNamespace(node_ids=("n0", "n1")),
        sessions=SimpleNamespace(next_expiry=lambda: 0.0, live=lambda: there[0]),
        schedule=VIRTUAL,
    )
    waits = Dying()
    calls = RunnerCalls(service, waits, lambda: 0.0)  # type: ignore[arg-type]
    plan: Any = asyncio.run(calls.begin_slot(BeginSlot(3, Stage.DEVELOPMENT, 10.0)))
    assert plan == ("n1",)
    assert waits.lasted == [0, 1, 2, 0]
