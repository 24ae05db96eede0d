"""Heartbeats of the nodes of one process: said together, and only those of nodes that asked for it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from coordinator.adapters.control_client import ControlClient
from edge_node.adapters import attendance
from edge_node.adapters.beats import MOST, Beats
from edge_node.adapters.host import GrpcHost
from edge_node.adapters.stream import Stream, StreamOver
from protos.messages.stream import Heartbeat, Heartbeats
from tests.edge_node.adapters.running import (
    WAIT_S,
    MakeNode,
    attach,
    coordinator_config,
    make_nodes,
    run_slot,
    serving,
)

HERE = "coordinator"


class Said:
    """A stream that keeps what is said on it, or has ended as ``over`` says."""

    def __init__(self, over: type[BaseException] | None = None) -> None:
        self.messages: list[Any] = []
        self._over = over

    async def say(self, message: Any) -> None:
        if self._over is not None:
            raise self._over
        self.messages.append(message)


def beat(index: int) -> Heartbeat:
    return Heartbeat(f"n{index}", "boot", 0, index)


def said_together(streams: Sequence[Said], coordinators: Sequence[str] = ()) -> list[BaseException | None]:
    """All of them at once, a heartbeat each. What was raised, by stream."""

    async def crowd() -> list[BaseException | None]:
        beats, where = Beats(), coordinators or [HERE] * len(streams)
        return await asyncio.gather(
            *(beats.say(where[k], cast(Stream, stream), beat(k), 0.01) for k, stream in enumerate(streams)),
            return_exceptions=True,
        )

    return asyncio.run(crowd())


def test_heartbeats_that_fall_due_together_are_one_message() -> None:
    streams = [Said() for _ in range(3)]
    assert said_together(streams) == [None] * 3
    assert [stream.messages for stream in streams] == [[Heartbeats((beat(0), beat(1), beat(2)))], [], []]


def test_one_alone_is_a_message_of_its_own() -> None:
    streams = [Said(), Said()]
    assert said_together(streams, ["one", "another"]) == [None, None]
    assert [stream.messages for stream in streams] == [[beat(0)], [beat(1)]]


def test_a_message_has_room_for_so_many() -> None:
    streams = [Said() for _ in range(MOST + 2)]
    assert set(said_together(streams)) == {None}
    first, second = (message for stream in streams for message in stream.messages)
    assert (len(first.beats), len(second.beats)) == (MOST, 2)


def test_later_ones_are_a_later_message() -> None:
    async def twice() -> None:
        beats, stream = Beats(), Said()
        for k in range(2):
            await beats.say(HERE, cast(Stream, stream), beat(k), 0.01)
        assert stream.messages == [beat(0), beat(1)]

    asyncio.run(twice())


@pytest.mark.parametrize("over", [StreamOver, asyncio.CancelledError])
def test_the_next_stream_takes_what_one_that_has_ended_does_not(over: type[BaseException]) -> None:
    streams = [Said(over), Said(), Said()]
    assert said_together(streams) == [None] * 3
    assert streams[1].messages == [Heartbeats((beat(1), beat(2)))]


def test_where_none_takes_it_all_are_told() -> None:
    assert [type(error) for error in said_together([Said(StreamOver), Said(StreamOver)])] == [StreamOver] * 2


def test_nothing_is_logged_where_no_node_waits_for_the_heartbeats_any_more() -> None:
    """As where the only node of a process has opened another stream meanwhile, and the old one takes nothing."""
    logged: list[dict[str, Any]] = []

    async def left() -> None:
        loop, beats = asyncio.get_running_loop(), Beats()
        loop.set_exception_handler(lambda _, context: logged.append(context))
        asking = asyncio.create_task(beats.say(HERE, cast(Stream, Said(StreamOver)), beat(0), 0.01))
        await asyncio.sleep(0)
        saying = beats._gathering.pop(HERE).said
        asking.cancel()
        await asyncio.wait({asking, saying})
        assert asking.cancelled()
        del asking, saying
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(left())
    assert logged == []


def test_the_heartbeat_of_a_node_that_hangs_is_missing_and_its_lease_ends(
    make_node: MakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its neighbours' heartbeats, from the same process, do not keep it alive."""
    monkeypatch.setattr(attendance, "GATHERED_FRACTION", 0.9)
    config = coordinator_config(tmp_path, heartbeat_s=0.2, lease_s=3.0)
    with serving(config) as running, GrpcHost() as host:
        links = attach([host], make_nodes(make_node), running.address)
        stuck = links[0]

        async def hang() -> None:
            await stuck.attendance._turn.acquire()

        host.submit(hang()).result(WAIT_S)
        monkeypatch.setattr(stuck.node, "has_nothing_to_say", lambda: False)
        with contextlib.closing(ControlClient(running.address)) as control:
            asked = iter(lambda: control.status().live_nodes, ("n1", "n2"))
            for _ in asked:
                assert not stuck.lease.wait_for(lambda: stuck.lease.ended, 0.2)
        # A process that stood still may have fenced all of its nodes for a moment.
        assert links[1].lease.wait_for(lambda: not links[1].fenced, WAIT_S)
        assert links[2].lease.wait_for(lambda: not links[2].fenced, WAIT_S)


def test_what_is_heard_on_one_stream_holds_for_all_nodes_named(
    make_node: MakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes hear of their heartbeats on each other's streams alone, over and over, and a slot goes on."""
    monkeypatch.setattr(attendance, "GATHERED_FRACTION", 0.9)
    said: list[type] = []
    heard: Counter[str] = Counter()
    config = coordinator_config(tmp_path, heartbeat_s=0.3)
    with serving(config) as running, GrpcHost() as host:
        links = attach([host], make_nodes(make_node), running.address)
        streams = [link.attendance.stream for link in links]
        for stream in streams:
            assert stream is not None
            inner = stream.say

            async def say(message: Any, inner: Any = inner) -> None:
                said.append(type(message))
                await inner(message)

            stream.say = say  # type: ignore[method-assign]
        for link in links:

            def hears(name: str = link.node.node_id, inner: Any = link.attendance.heard) -> None:
                heard[name] += 1
                inner()

            monkeypatch.setattr(link.attendance, "heard", hears)
        end_s = time.monotonic() + WAIT_S
        while min(heard[link.node.node_id] for link in links) < 15:
            assert time.monotonic() < end_s
            time.sleep(0.05)
        assert not any(link.fenced for link in links)
        assert said.count(Heartbeats) > said.count(Heartbeat)
        with contextlib.closing(ControlClient(running.address)) as control:
            assert run_slot(control, links, 0).settled_nodes == ("n0", "n1", "n2")
        assert [link.attendance.stream for link in links] == streams
