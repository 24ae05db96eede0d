"""Streams that break, hang or are replaced: the node reconnects, fences itself, or is refused."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from edge_node.adapters.attendance import Attendance
from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.slots.link import LinkError
from protos import codec
from protos.messages.parcels import Parcel, Receipt
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


def test_a_silent_coordinator_makes_the_node_fence_itself(
    make_node: MakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    welcomes: list[float] = []
    fenced = threading.Event()

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
        fence = link.lease.fence
        monkeypatch.setattr(link.lease, "fence", lambda: (fence(), fenced.set()))
        link.start()  # a node that is not registered has nothing to fence
        assert fenced.wait(WAIT_S)
        assert link.fenced
        silent.submit(server.stop(0)).result(WAIT_S)


@pytest.mark.parametrize(
    ("lease_s", "deadline_s", "cache_bytes", "most_s"),
    [
        (2.0, 60.0, 0, 4.0),
        (6.0, 60.0, 0, 4.0),
        (15.0, 60.0, 0, 10.0),
        (60.0, 60.0, 0, 15.0),
        (6.0, 8.0, 0, 2.0),
        (6.0, 8.0, 3_000_000, 5.0),  # caches of prompts have time for their bytes
    ],
)
def test_batches_are_offered_to_another_node_for_most_of_its_lease(
    lease_s: float, deadline_s: float, cache_bytes: int, most_s: float
) -> None:
    waits: list[float] = []

    class Host:
        async def deliver(self, address: str, parcel: Any, timeout_s: float) -> Receipt:
            waits.append(timeout_s)
            return Receipt(False, 0, "not here")

    prompts = (SimpleNamespace(cache=bytes(cache_bytes)),) if cache_bytes else ()
    node: Any = SimpleNamespace(
        node_id="n0",
        slot_deadline_s=lambda slot: deadline_s,
        reads_ahead=lambda parcel: True,
        read_ahead=lambda parcel: SimpleNamespace(executor="n1", prompts=prompts),
        parcel_failed=lambda parcel: None,
    )
    host, lease = Host(), SimpleNamespace(changed=lambda: None)
    attendance: Any = Attendance(node, host, "127.0.0.1:1", "boot", lease)  # type: ignore[arg-type]
    attendance.lease_s = lease_s
    asyncio.run(attendance._deliver("127.0.0.1:2", SimpleNamespace(slot=0, executor="n1")))
    assert waits == pytest.approx([most_s])


def test_prompts_that_are_read_keep_no_other_node_of_the_process_waiting(make_node: MakeNode) -> None:
    """However many parcels of one node wait to be read: its board reads one at a time, and the threads that all nodes
    share are free."""
    read, reading, most = threading.Event(), list[str](), list[int]()

    def reads(parcel: Any) -> Any:
        reading.append(parcel.executor)
        most.append(len(reading))
        assert read.wait(WAIT_S)
        reading.remove(parcel.executor)
        return parcel

    with GrpcHost(workers=2) as host:
        owner, _ = (GrpcLink(make_node(k), host, "127.0.0.1:1") for k in range(2))
        told = ("node_id", "slot_deadline_s", "parcel_failed")
        node: Any = SimpleNamespace(**{name: getattr(owner.node, name) for name in told})
        node.reads_ahead, node.read_ahead = lambda parcel: True, reads
        owner.attendance._node = node
        parcels = [Parcel("run", 1, 0, "n0", f"n{k}", (), (), ()) for k in range(2, 7)]
        try:
            sent = [host.submit(owner.attendance._deliver("", parcel)) for parcel in parcels]
            offered = host.deliver("", Parcel("run", 1, 0, "n0", "n1", (), (), ()), WAIT_S)
            assert not host.submit(offered).result(WAIT_S).accepted, "it answers: it is in no slot"
        finally:
            read.set()
        for each in sent:
            each.result(WAIT_S)
    assert most == [1] * len(parcels)
