"""Streams that break, hang or are replaced: the node reconnects, fences itself, or is refused."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import grpc
import pytest

from coordinator.adapters.control_client import ControlClient
from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.slots.link import LinkError
from protos import codec
from protos.messages.stream import Welcome
from tests.edge_node.adapters.running import (
    STAGES,
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


def test_nodes_that_do_not_belong_here_are_cut_off(make_node: MakeNode, tmp_path: Path) -> None:
    with serving(coordinator_config(tmp_path)) as running, GrpcHost() as host:
        link = GrpcLink(make_node(7, stages=STAGES), host, running.address)
        link.start()
        with pytest.raises(LinkError, match="unknown_node"):
            link.wait_registered(WAIT_S)
        with pytest.raises(LinkError, match="unknown_node"):
            link.wait_ready(0, WAIT_S)


def test_a_newer_copy_of_a_node_cuts_off_the_older(make_node: MakeNode, tmp_path: Path) -> None:
    with serving(coordinator_config(tmp_path)) as running, GrpcHost() as one, GrpcHost() as two:
        (older,) = attach([one], [make_node(0, zone="NO", stages=STAGES)], running.address)
        newer = GrpcLink(make_node(0, zone="NO", stages=STAGES), two, running.address, "boot-newer")
        newer.start()
        newer.wait_registered(WAIT_S)
        with pytest.raises(LinkError, match="fenced"):
            older.wait_ready(0, WAIT_S)
        assert not newer.fenced


def test_a_silent_coordinator_makes_the_node_fence_itself(make_node: MakeNode) -> None:
    welcomes: list[float] = []

    async def attend(requests: Any, context: Any) -> Any:
        await anext(requests)
        welcomes.append(0.0)
        if len(welcomes) == 1:
            yield codec.encode_down(Welcome("run", 1, 0.1, 0.5, 0))
        await asyncio.sleep(WAIT_S)  # keeps the stream and says nothing

    async def start() -> tuple[Any, int]:
        server = grpc.aio.server()
        handler = grpc.stream_stream_rpc_method_handler(attend)
        generic = grpc.method_handlers_generic_handler(codec.ATTEND.service, {codec.ATTEND.method: handler})
        server.add_generic_rpc_handlers((generic,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port

    with GrpcHost() as silent, GrpcHost() as host:
        server, port = silent.submit(start()).result(WAIT_S)
        link = GrpcLink(make_node(0), host, f"127.0.0.1:{port}")
        link.start()
        link.wait_registered(WAIT_S)
        assert link.lease.wait_for(lambda: link.fenced, WAIT_S)
        silent.submit(server.stop(0)).result(WAIT_S)
