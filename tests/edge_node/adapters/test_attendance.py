"""Streams that break, hang or are replaced: the node reconnects, fences itself, or is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

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
    serving,
)


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
