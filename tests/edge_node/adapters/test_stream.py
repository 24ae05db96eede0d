"""One gRPC stream to the coordinator: messages out, messages in, until it is over."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from coordinator.adapters.control_client import ControlClient
from edge_node.adapters.host import GrpcHost
from tests.edge_node.adapters.running import (
    WAIT_S,
    MakeNode,
    attach,
    coordinator_config,
    make_nodes,
    run_slot,
    serving,
)


def test_heartbeats_and_answers_at_the_same_moment_do_not_end_the_stream(
    make_node: MakeNode, tmp_path: Path
) -> None:
    """gRPC ends a stream on which two writes are under way, and says InvalidStateError to the second."""
    with serving(coordinator_config(tmp_path)) as running, GrpcHost() as host:
        links = attach([host], make_nodes(make_node), running.address)
        streams = [link.attendance.stream for link in links]

        async def crowd() -> None:
            together = [
                stream.say(link.node.heartbeat(k))
                for k in range(30)
                for link, stream in zip(links, streams, strict=True)
                if stream is not None
            ]
            await asyncio.gather(*together)

        host.submit(crowd()).result(WAIT_S)
        with contextlib.closing(ControlClient(running.address)) as control:
            summary = run_slot(control, links, 0)
        assert None not in streams
        assert [link.attendance.stream for link in links] == streams
    assert summary.settled_nodes == ("n0", "n1", "n2")


def test_a_stream_that_ended_unread_is_taken_up_again(make_node: MakeNode, tmp_path: Path) -> None:
    with serving(coordinator_config(tmp_path)) as running, GrpcHost() as host:
        links = attach([host], make_nodes(make_node), running.address)

        async def cut_and_write() -> None:
            stream = links[0].attendance.stream
            assert stream is not None
            stream.cancel()
            with pytest.raises(Exception, match=r"finished|cancel"):
                await stream.say(links[0].node.heartbeat(1))

        host.submit(cut_and_write()).result(WAIT_S)
        with contextlib.closing(ControlClient(running.address)) as control:
            assert run_slot(control, links, 0).settled_nodes == ("n0", "n1", "n2")
