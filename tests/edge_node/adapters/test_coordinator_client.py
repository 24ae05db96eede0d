"""Nodes on gRPC streams with the real coordinator: the same books as in one process, through restarts."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from coordinator.adapters.control_client import ControlClient
from coordinator.adapters.direct import DirectCoordinator
from coordinator.adapters.grpc_server import CoordinatorServer
from coordinator.config import CoordinatorBody, CoordinatorConfig, LimitsConfig, ZoneIntensity
from coordinator.policies.registry import make_policy
from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.config import HarvestConfig
from edge_node.slots.errors import NotReady, NoWork
from edge_node.slots.link import Link, LinkError, LocalLink
from edge_node.slots.node import EdgeNode
from protos import codec
from protos.messages import BeginSlot, EndSlot, Parcel, SlotSummary, Stage, Tensor, Welcome

SLOTS = 3
STAGES = (Stage.PREPARATION, Stage.DEVELOPMENT, Stage.APPLICATION)
ZONES = ("DIRTY", "NO", "NO")
WAIT_S = 20.0
MakeNode = Callable[..., EdgeNode]


def coordinator_config(folder: Path, port: int = 0, **changes: Any) -> CoordinatorConfig:
    values: dict[str, Any] = {
        "run_id": "run",
        "ledger_path": folder / "ledger.sqlite",
        "policy": "deta",
        "slot_s": 10.0,
        "stages": STAGES,
        "node_ids": ("n0", "n1", "n2"),
        "zones": tuple(
            ZoneIntensity(zone=zone, intensity_g_per_kwh=(level,) * 40, origin={"source": "test"})
            for zone, level in (("DIRTY", 900.0), ("NO", 20.0))
        ),
        "limits": LimitsConfig(net_j_per_byte=1e-6, transfer_cap_fraction=0.05),
        "body": CoordinatorBody(
            zone="NO",
            static_w=3.0,
            joules_per_aggregated_parameter=0.0,
            joules_per_evaluated_example=0.0,
            router_w=0.0,
        ),
        "tree_alpha_bits_per_token": 1.0,
        "port": port,
        "heartbeat_s": 0.2,
        "lease_s": 5.0,
    }
    return CoordinatorConfig(**{**values, **changes})


class Serving:
    """The coordinator's gRPC server on an event loop in a thread."""

    def __init__(self, config: CoordinatorConfig) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self._run(self._start(config))

    async def _start(self, config: CoordinatorConfig) -> CoordinatorServer:
        server = CoordinatorServer(config, make_policy(config.policy))
        self.port = await server.start()
        return server

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WAIT_S)

    def stop(self) -> None:
        self._run(self.server.stop(0.1))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@contextlib.contextmanager
def serving(config: CoordinatorConfig) -> Iterator[Serving]:
    running = Serving(config)
    try:
        yield running
    finally:
        running.stop()


def make_nodes(make_node: MakeNode) -> list[EdgeNode]:
    """The dirty node has neither panel nor battery, so that its work is worth moving."""
    dark = {"harvest": HarvestConfig(power_w=(0.0,) * (SLOTS + 40)), "battery": None}
    return [
        make_node(index, zone=zone, stages=STAGES, **(dark if zone == "DIRTY" else {}))
        for index, zone in enumerate(ZONES)
    ]


def attach(hosts: list[GrpcHost], nodes: list[EdgeNode], address: str) -> list[GrpcLink]:
    links = [GrpcLink(node, hosts[k % len(hosts)], address, f"boot-{k}") for k, node in enumerate(nodes)]
    for link in links:
        link.start()
    for link in links:
        link.wait_registered(WAIT_S)
    return links


def work(link: Link, slot: int, wait_s: float = WAIT_S) -> int:
    link.wait_ready(slot, wait_s)
    try:
        return link.node.execute({"w": np.zeros(4, dtype=np.float32)}).batches
    except NoWork:
        return 0


def run_slot(control: ControlClient, links: list[GrpcLink], slot: int) -> SlotSummary:
    plan = control.begin_slot(slot, STAGES[slot], WAIT_S)
    assert not plan.status.startswith("fallback")
    with ThreadPoolExecutor(len(links)) as pool:
        list(pool.map(lambda link: work(link, slot), links))
    return control.end_slot(slot, WAIT_S)


def run_in_process(make_node: MakeNode, folder: Path) -> list[SlotSummary]:
    links: dict[str, LocalLink] = {}
    coordinator: DirectCoordinator

    def deliver(node_id: str, message: Any) -> None:
        for answer in links[node_id].receive(message):
            coordinator.receive(node_id, answer)

    config = coordinator_config(folder)
    coordinator = DirectCoordinator(config, make_policy(config.policy), deliver, lambda: 0.0)
    for k, node in enumerate(make_nodes(make_node)):
        LocalLink(node, links, f"boot-{k}")
    for node_id, link in links.items():
        coordinator.receive(node_id, link.register())
    summaries = []
    for slot, stage in enumerate(STAGES):
        coordinator.begin_slot(BeginSlot(slot, stage, 1.0))
        for link in links.values():
            work(link, slot)
        summaries.append(coordinator.end_slot(EndSlot(slot, 1.0)))
    coordinator.close()
    return summaries


def test_a_run_over_grpc_books_what_a_run_in_one_process_books(make_node: MakeNode, tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    expected = run_in_process(make_node, tmp_path / "local")
    with serving(coordinator_config(tmp_path)) as running, GrpcHost() as one, GrpcHost() as two:
        links = attach([one, two], make_nodes(make_node), running.address)
        with contextlib.closing(ControlClient(running.address)) as control:
            summaries = [run_slot(control, links, slot) for slot in range(SLOTS)]
    assert summaries == expected
    assert [s.executed_batches for s in summaries] == [18, 18, 6]
    assert summaries[1].moved_batches > 0
    assert all(s.settled_nodes == ("n0", "n1", "n2") and s.unserved_batches == 0 for s in summaries)


def test_a_restarted_coordinator_goes_on_with_the_same_nodes(make_node: MakeNode, tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    expected = run_in_process(make_node, tmp_path / "local")
    with GrpcHost() as host:
        first = Serving(coordinator_config(tmp_path))
        links = attach([host], make_nodes(make_node), first.address)
        with contextlib.closing(ControlClient(first.address)) as control:
            summaries = [run_slot(control, links, 0)]
            control.begin_slot(1, STAGES[1], WAIT_S)
            for link in links:
                work(link, 1)
        first.stop()
        # Same ledger, same port: the open slot is closed, the work done in it counts once.
        with serving(coordinator_config(tmp_path, port=first.port)) as second:
            for link in links:
                link.wait_registered(WAIT_S)
            with contextlib.closing(ControlClient(second.address)) as control:
                summaries.append(run_slot(control, links, 1))
                summaries.append(run_slot(control, links, 2))
    assert summaries == expected


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


def test_an_executor_out_of_reach_leaves_the_work_at_home(make_node: MakeNode, tmp_path: Path) -> None:
    with serving(coordinator_config(tmp_path)) as running, GrpcHost() as one, GrpcHost() as two:
        links = attach([one, two, two], make_nodes(make_node), running.address)
        with contextlib.closing(ControlClient(running.address)) as control:
            run_slot(control, links, 0)
            two.submit(two._server.stop()).result(WAIT_S)  # only the peer server: the streams go on
            summary = run_slot(control, links, 1)
    assert summary.moved_batches == 0
    assert summary.executed_batches == 18
    assert summary.unserved_batches == 0


def test_a_node_that_dies_is_a_gap_and_its_guests_are_given_up(make_node: MakeNode, tmp_path: Path) -> None:
    config = coordinator_config(tmp_path, lease_s=5.0)
    with serving(config) as running, GrpcHost() as one, GrpcHost() as two:
        links = attach([one, two, two], make_nodes(make_node), running.address)
        with contextlib.closing(ControlClient(running.address)) as control:
            run_slot(control, links, 0)
            links[0].close()  # the dirty owner, decided for while its lease lasts
            control.begin_slot(1, STAGES[1], WAIT_S)
            for link in links[1:]:
                work(link, 1, wait_s=1.0)
            summary = control.end_slot(1, WAIT_S)
    assert summary.missing_nodes == ("n0",)
    assert set(summary.settled_nodes) == {"n1", "n2"}


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


def test_without_a_coordinator_waiting_ends_with_a_reason(make_node: MakeNode) -> None:
    with GrpcHost() as host:
        link = GrpcLink(make_node(0), host, "127.0.0.1:1")
        link.start()
        with pytest.raises(LinkError, match="is it up"):
            link.wait_registered(0.2)
        with pytest.raises(NotReady, match="holds no lease"):
            link.wait_ready(0, 0.1)


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


def parcel(executor: str, size: int = 4) -> Parcel:
    return Parcel("run", 1, 0, "n9", executor, (1,), (Tensor("x", "uint8", (size,), bytes(size)),), (size,))


def test_the_peer_server_refuses_what_it_should(make_node: MakeNode) -> None:
    with GrpcHost() as host, GrpcHost() as other:
        node = make_node(0)
        GrpcLink(node, host, "127.0.0.1:1")
        deliver = lambda p: other.submit(other.deliver(host.address, p, WAIT_S)).result(WAIT_S)  # noqa: E731
        assert "does not live here" in deliver(parcel("n5")).reason
        assert "slot" in deliver(parcel("n0")).reason
        with grpc.insecure_channel(host.address) as channel:
            call = channel.unary_unary(codec.DELIVER.path)
            for data in (b"\xff\xff", b"", codec.encode(parcel("n0"))[:-1]):
                with pytest.raises(grpc.RpcError) as caught:
                    call(data, timeout=WAIT_S)
                assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            with pytest.raises(grpc.RpcError) as caught:
                call(bytes(codec.MAX_PARCEL_BYTES + 2**21), timeout=WAIT_S)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_peer_that_cannot_be_reached_is_a_refusal_in_time() -> None:
    with GrpcHost() as host:
        receipt = host.submit(host.deliver("127.0.0.1:1", parcel("n0"), 0.3)).result(WAIT_S)
    assert not receipt.accepted
    assert "did not answer" in receipt.reason or "DEADLINE" in receipt.reason


def test_a_node_is_attached_once_until_it_leaves(make_node: MakeNode) -> None:
    with GrpcHost() as host:
        first, second = (GrpcLink(make_node(k), host, "127.0.0.1:1") for k in range(2))
        assert first.address == second.address == host.address != ""
        with pytest.raises(LinkError, match="attached already"):
            GrpcLink(make_node(0), host, "127.0.0.1:1")
        first.close()
        first.close()
        with pytest.raises(LinkError, match="closed"):
            first.wait_registered(WAIT_S)
        again = GrpcLink(make_node(0), host, "127.0.0.1:1")
        with pytest.raises(LinkError, match="coordinator_address"):
            GrpcLink(make_node(2), host)
    assert again.lease.closed  # a host that closes ends the links of its nodes
    assert second.lease.closed


def test_the_peer_address_must_be_free() -> None:
    with GrpcHost() as host:
        port = int(host.address.rpartition(":")[2])
        with pytest.raises(OSError, match="choose another peer_port"):
            GrpcHost(peer_port=port).start()


def test_everything_listens_on_loopback_by_default() -> None:
    with GrpcHost() as host:
        assert host.address.startswith("127.0.0.1:")


def test_a_second_decision_of_the_same_slot_moves_nothing_again(make_node: MakeNode, tmp_path: Path) -> None:
    with serving(coordinator_config(tmp_path)) as running, GrpcHost() as host:
        links = attach([host], make_nodes(make_node), running.address)
        with contextlib.closing(ControlClient(running.address)) as control:
            run_slot(control, links, 0)
            plans = [control.begin_slot(1, STAGES[1], WAIT_S) for _ in range(3)]
            assert len({dataclasses.astuple(plan) for plan in plans}) == 1
            executed = [work(link, 1) for link in links]
            summary = control.end_slot(1, WAIT_S)
            again = control.end_slot(1, WAIT_S)
    assert sum(executed) == summary.executed_batches == 18
    assert again == summary
