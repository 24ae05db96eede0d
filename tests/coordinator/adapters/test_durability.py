"""Nothing is sent before it is durable, whatever is written together; order holds; an error reaches everybody."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from coordinator.adapters.attendance import UNWRITTEN, Attendance
from coordinator.adapters.durability import GATHER_S, Durability
from coordinator.adapters.outboxes import Outboxes, new_outbox
from coordinator.ledger import Entry, Kind
from coordinator.slots.protocol import Effects
from protos import codec
from protos.access.config import Access
from protos.access.guard import Guard
from protos.messages.stream import Ack, Heartbeat, Refusal


class SlowLedger:
    """Writes when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], Future[int]]] = []

    def append(self, entries: Any) -> Future[int]:
        done: Future[int] = Future()
        self.asked.append(([entry.key for entry in entries], done))
        return done

    @property
    def keys(self) -> list[str]:
        return [key for keys, _ in self.asked for key in keys]


def effects(key: str, *sends: tuple[str, Any]) -> Effects:
    return Effects((Entry(Kind.TELEMETRY, key, {}),), sends)


async def soon() -> None:
    """Everything that is ready has run."""
    for _ in range(20):
        await asyncio.sleep(0)


def made() -> tuple[SlowLedger, Durability, asyncio.Queue[Any]]:
    ledger, outboxes, outbox = SlowLedger(), Outboxes(), new_outbox()
    outboxes.open("n0", outbox)
    return ledger, Durability(ledger, outboxes, lambda: 0.0), outbox  # type: ignore[arg-type]


def waiting(outbox: asyncio.Queue[Any]) -> list[Any]:
    return [outbox.get_nowait() for _ in range(outbox.qsize())]


def test_nothing_is_sent_before_it_is_on_disk() -> None:
    async def run() -> None:
        ledger, durability, outbox = made()
        durability.submit(effects("a", ("n0", Ack("n0", 1))))
        await soon()
        later = [durability.submit(effects(key, ("n0", Ack("n0", k)))) for k, key in enumerate("bcd", 2)]
        await soon()
        assert [keys for keys, _ in ledger.asked] == [["a"]], "one write at a time"
        assert waiting(outbox) == []
        ledger.asked[0][1].set_result(1)
        await soon()
        assert waiting(outbox) == [Ack("n0", 1)]
        assert not any(done.done() for done in later)
        while len(ledger.asked) < 2:
            await asyncio.sleep(GATHER_S)
        assert ledger.asked[1][0] == ["b", "c", "d"], "together, in the order of the handlers"
        ledger.asked[1][1].set_result(3)
        await soon()
        assert waiting(outbox) == [Ack("n0", 4)], "the last holds for all before, and nothing follows it"
        assert all(done.done() for done in later)

    asyncio.run(run())


def test_acknowledgements_keep_their_place_among_other_messages() -> None:
    async def run() -> None:
        ledger, durability, outbox = made()
        other = Refusal("code", "reason")
        durability.submit(effects("a", ("n0", Ack("n0", 1))))
        for sends in (
            [Ack("n0", 2), other],
            [Ack("n0", 3)],
            [Ack("n0", 4)],
        ):
            durability.submit(Effects((), tuple(("n0", message) for message in sends)))
        await soon()
        ledger.asked[0][1].set_result(0)
        await soon()
        assert waiting(outbox) == [Ack("n0", 2), other, Ack("n0", 4)]

    asyncio.run(run())


def test_an_error_reaches_who_waits_now_and_later_and_sends_nothing() -> None:
    async def run() -> None:
        ledger, durability, outbox = made()
        first = asyncio.ensure_future(durability.commit(effects("a", ("n0", Ack("n0", 1)))))
        await soon()
        second = asyncio.ensure_future(durability.commit(effects("b", ("n0", Ack("n0", 2)))))
        await soon()
        ledger.asked[0][1].set_exception(OSError("disk"))
        await soon()
        assert durability.failed.is_set()
        ledger.asked[1][1].set_exception(OSError("failed before"))
        for task in (first, second):
            with pytest.raises(OSError):
                await task
        assert waiting(outbox) == []
        await durability.settled()

    asyncio.run(run())


def test_what_nodes_send_soon_after_a_write_is_gathered_while_nobody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coordinator.adapters.durability.GATHER_S", 3600.0)

    async def run() -> None:
        ledger, durability, _ = made()

        async def write(key: str) -> None:
            durability.submit(effects(key))
            await soon()

        await write("a")
        ledger.asked[0][1].set_result(1)
        await soon()
        for key in "bc":
            await write(key)
        assert len(ledger.asked) == 1, "more may come"
        waits = asyncio.ensure_future(durability.commit(effects("d")))
        await soon()
        assert ledger.asked[1][0] == ["b", "c", "d"], "somebody waits"
        ledger.asked[1][1].set_result(3)
        await waits
        await write("e")
        assert len(ledger.asked) == 2

    asyncio.run(run())


def test_messages_without_entries_are_sent_at_once_where_nothing_is_on_its_way() -> None:
    async def run() -> None:
        ledger, durability, outbox = made()
        said = Refusal("code", "reason")
        assert durability.submit(Effects((), (("n0", said),))).done()
        assert waiting(outbox) == [said]
        assert ledger.asked == []
        written = durability.submit(effects("a"))
        later = durability.submit(Effects((), (("n0", said),)))
        await soon()
        assert waiting(outbox) == [], "it may refer to what is being written"
        ledger.asked[0][1].set_exception(OSError("disk"))
        await soon()
        assert written.exception() is not None
        assert later.exception() is not None
        assert not durability.submit(Effects((), (("n0", said),))).done(), "memory is ahead of the ledger"
        await soon()
        assert waiting(outbox) == []

    asyncio.run(run())


def test_a_wait_goes_on_with_the_last_record_and_what_follows_is_written_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three nodes report; the trade that waits for them shares their write, and is sent once it is on disk."""
    monkeypatch.setattr("coordinator.adapters.durability.GATHER_S", 3600.0)

    async def run() -> None:
        ledger, durability, outbox = made()
        waited = ["n0", "n1", "n2"]

        def awaited(among: Sequence[str] | None) -> tuple[str, ...]:
            return tuple(node for node in waited if among is None or node in among)

        async def call() -> None:
            await durability.until_none(awaited, 1.0, lambda: 1.0)
            await durability.commit(effects("trade", ("n0", Refusal("code", "of the trade"))))

        waits = asyncio.ensure_future(call())
        await soon()
        for node in ("n2", "n0", "n1"):
            waited.remove(node)
            durability.submit(effects(node, ("n0", Ack("n0", 1))))
            if node != "n1":
                await soon()
                assert ledger.asked == [], "it is gathered while others are waited for"
        await soon()
        assert [keys for keys, _ in ledger.asked] == [["n2", "n0", "n1", "trade"]]
        assert waiting(outbox) == []
        assert not waits.done()
        ledger.asked[0][1].set_result(4)
        await waits
        assert waiting(outbox) == [Ack("n0", 1), Refusal("code", "of the trade")]

    asyncio.run(run())


def test_what_is_gathered_during_a_wait_is_written_before_the_wait_is_over() -> None:
    async def run() -> None:
        ledger, durability, _ = made()
        waits = asyncio.ensure_future(durability.until_none(lambda _: ("n0",), 1e6, lambda: 1e6))
        await soon()
        durability.submit(effects("a"))
        while not ledger.asked:
            await asyncio.sleep(GATHER_S)
        assert not waits.done()
        waits.cancel()

    asyncio.run(run())


def test_a_wait_asks_for_one_node_as_long_as_it_is_awaited() -> None:
    """A hundred nodes answer in their order: all are asked for at the beginning, and once the last has answered."""

    async def run() -> None:
        _, durability, _ = made()
        waited, asked_for_all = [f"n{k}" for k in range(100)], 0

        def awaited(among: Sequence[str] | None) -> tuple[str, ...]:
            nonlocal asked_for_all
            asked_for_all += among is None
            return tuple(waited) if among is None else tuple(node for node in among if node in waited)

        waits = asyncio.ensure_future(durability.until_none(awaited, 1.0, lambda: 1.0))
        for k in range(100):
            assert not waits.done()
            waited.pop(0)
            durability.submit(effects(f"k{k}"))
            await soon()
        await waits
        assert asked_for_all == 2

    asyncio.run(run())


def test_a_lease_that_began_during_a_wait_ends_it_too() -> None:
    """No lease is held at first; a node comes, and goes without a word before the deadline."""

    async def run() -> None:
        now, ends = 0.0, [math.inf]
        durability = Durability(SlowLedger(), Outboxes(), lambda: now)  # type: ignore[arg-type]

        def awaited(among: Sequence[str] | None) -> tuple[str, ...]:
            return ("n0",) if now < 2.0 else ()

        waits = asyncio.ensure_future(durability.until_none(awaited, 1e6, lambda: ends[0]))
        await soon()
        ends[0] = 0.001  # it comes: the next change makes the wait look at leases
        durability.submit(Effects())
        await soon()
        now, ends[0] = 2.0, math.inf
        await asyncio.wait_for(waits, 30.0)

    asyncio.run(run())


def test_who_gives_up_waiting_does_not_stop_the_write() -> None:
    async def run() -> None:
        ledger, durability, outbox = made()
        waits = asyncio.ensure_future(durability.commit(effects("a", ("n0", Ack("n0", 1)))))
        await soon()
        waits.cancel()
        ledger.asked[0][1].set_result(1)
        await soon()
        assert waiting(outbox) == [Ack("n0", 1)]

    asyncio.run(run())


def test_a_stream_is_read_no_further_than_a_few_messages_ahead_of_the_disk(kit: Any) -> None:
    """A node that floods waits for the disk; what it sent is taken up in its order."""
    taken: list[int] = []

    class Service:
        class sessions:
            @staticmethod
            def close(node: str, session: int) -> None: ...

        def register(self, message: Any) -> tuple[int, Effects]:
            return 1, effects("registration")

        def receive(self, node: str, session: int, message: Heartbeat) -> Effects:
            taken.append(message.seq)
            return effects(f"k{message.seq}", ("n00", Ack("n00", message.seq)))

    async def requests() -> Any:
        yield codec.encode_up(kit.StubNode("n00").register())
        for k in range(1, 100):
            yield codec.encode_up(Heartbeat("n00", "boot", k, 1))

    async def run() -> None:
        ledger, outboxes = SlowLedger(), Outboxes()
        durability = Durability(ledger, outboxes, lambda: 0.0)  # type: ignore[arg-type]
        attendance = Attendance(Service(), durability, outboxes, Guard(Access()), 8)  # type: ignore[arg-type]
        stream = attendance.attend(requests(), None)
        first = asyncio.ensure_future(anext(stream))
        await soon()
        ledger.asked[0][1].set_result(0)  # of the registration
        for _ in range(10):
            await soon()
        assert len(taken) == 2 * UNWRITTEN
        assert not first.done(), "nothing is acknowledged yet"
        while len(ledger.keys) < 100:
            if not ledger.asked[-1][1].done():
                ledger.asked[-1][1].set_result(1)
            await asyncio.sleep(GATHER_S)
        assert taken == list(range(1, 100))
        assert ledger.keys == ["registration", *(f"k{k}" for k in taken)]
        assert codec.decode_down(await first) == Ack("n00", codec.decode_down(first.result()).seq)
        await stream.aclose()

    asyncio.run(run())
