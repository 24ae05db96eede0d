"""What is said to a node keeps its order; acknowledgements are few, and the last holds for all before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from coordinator.adapters.outboxes import HELD_MESSAGES, HELD_S, OUTBOX_MESSAGES, Outboxes, new_outbox
from protos.messages.slot import CloseSlot
from protos.messages.stream import Ack, Welcome

SLOT = CloseSlot(1, 0)
WELCOME = Welcome("run", 1, 0, 2.0, 6.0, None)


def waiting(outbox: asyncio.Queue[Any]) -> list[Any]:
    return [outbox.get_nowait() for _ in range(outbox.qsize())]


class StillClock(asyncio.SelectorEventLoop):
    """A loop whose time stands still but for ``pause``: a machine that is busy makes no pause."""

    now_s = 0.0

    def time(self) -> float:
        return self.now_s


async def pause(seconds: float) -> None:
    """What is due within them happens."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StillClock)
    loop.now_s += seconds
    for _ in range(5):
        await asyncio.sleep(0)


def connected(work: Callable[[Outboxes, asyncio.Queue[Any]], Awaitable[None]]) -> None:
    async def run() -> None:
        outboxes, outbox = Outboxes(), new_outbox()
        outboxes.open("n0", outbox)
        await work(outboxes, outbox)

    with asyncio.Runner(loop_factory=StillClock) as runner:
        runner.run(run())


def test_an_acknowledgement_after_a_pause_is_sent_at_once_and_others_wait() -> None:
    async def work(outboxes: Outboxes, outbox: asyncio.Queue[Any]) -> None:
        for seq in range(1, 5):
            outboxes.post("n0", Ack("n0", seq))
        assert waiting(outbox) == [Ack("n0", 1)]
        await pause(2 * HELD_S)
        assert waiting(outbox) == [Ack("n0", 4)]
        await pause(2 * HELD_S)
        outboxes.post("n0", Ack("n0", 5))
        assert waiting(outbox) == [Ack("n0", 5)]

    connected(work)


def test_one_that_holds_for_many_messages_does_not_wait() -> None:
    async def work(outboxes: Outboxes, outbox: asyncio.Queue[Any]) -> None:
        for seq in range(1, 2 * HELD_MESSAGES + 1):
            outboxes.post("n0", Ack("n0", seq))
        assert waiting(outbox) == [Ack("n0", 1), Ack("n0", 1 + HELD_MESSAGES)]

    connected(work)


def test_one_that_waits_is_told_where_nothing_follows_and_not_again() -> None:
    async def work(outboxes: Outboxes, outbox: asyncio.Queue[Any]) -> None:
        for seq in (1, 2):
            outboxes.post("n0", Ack("n0", seq))
        outboxes.tell_late()
        assert waiting(outbox) == [Ack("n0", 1), Ack("n0", 2)]
        outboxes.post("n0", Ack("n0", 3))
        await pause(2 * HELD_S)
        assert waiting(outbox) == [Ack("n0", 3)]

    connected(work)


def test_one_that_waits_goes_before_what_is_said_next() -> None:
    async def work(outboxes: Outboxes, outbox: asyncio.Queue[Any]) -> None:
        for message in (Ack("n0", 1), Ack("n0", 2), SLOT):
            outboxes.post("n0", message)
        assert waiting(outbox) == [Ack("n0", 1), Ack("n0", 2), SLOT]
        await pause(2 * HELD_S)
        assert waiting(outbox) == []

    connected(work)


def test_one_that_waits_is_told_at_the_end_and_on_no_other_stream() -> None:
    async def work(outboxes: Outboxes, outbox: asyncio.Queue[Any]) -> None:
        for seq in (1, 2):
            outboxes.post("n0", Ack("n0", seq))
        newer = new_outbox()
        outboxes.open("n0", newer)
        outboxes.post("n0", WELCOME)
        await pause(2 * HELD_S)
        assert waiting(newer) == [WELCOME]
        for seq in (3, 4):
            outboxes.post("n0", Ack("n0", seq))
        outboxes.end_all()
        assert waiting(newer) == [Ack("n0", 3), Ack("n0", 4), None]

    connected(work)


def test_a_node_that_does_not_read_is_dropped() -> None:
    async def work(outboxes: Outboxes, outbox: asyncio.Queue[Any]) -> None:
        for _ in range(OUTBOX_MESSAGES + 1):
            outboxes.post("n0", SLOT)
        found = waiting(outbox)
        assert (len(found), found[-1]) == (OUTBOX_MESSAGES, None)
        outboxes.post("n0", SLOT)
        assert waiting(outbox) == []

    connected(work)
