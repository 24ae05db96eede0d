"""Shared parts of the nodes of a process: servers, their limits and addresses."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest

from edge_node.adapters.batch_transfer import HEAD, PeerServer, head_metadata
from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from protos import codec
from protos.access.config import Access
from protos.access.guard import Guard
from protos.messages.parcels import Parcel, Receipt, Tensor
from tests.edge_node.adapters.running import WAIT_S, MakeNode


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
            whole = codec.encode(parcel("n0"))
            for metadata in ((), ((HEAD, b"\xff\xff"),), ((HEAD, b""),)):
                with pytest.raises(grpc.RpcError) as caught:
                    call(whole, timeout=WAIT_S, metadata=metadata)
                assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_parcel_is_what_its_head_says(make_node: MakeNode) -> None:
    async def ask(data: bytes, metadata: Any) -> grpc.StatusCode:
        server = PeerServer(lambda head: None, lambda parcel: Receipt(True, 4), Guard(Access()))
        address = await server.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(address) as channel:
            try:
                await channel.unary_unary(codec.DELIVER.path)(data, timeout=WAIT_S, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                return error.code()
            finally:
                await server.stop()
        return grpc.StatusCode.OK

    head = head_metadata(parcel("n0"))
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert asyncio.run(ask(codec.encode(parcel("n0")), head)) is grpc.StatusCode.OK
    for data in (b"\xff\xff", b"", codec.encode(parcel("n0"))[:-1], codec.encode(parcel("n0", 5))):
        assert asyncio.run(ask(data, head)) is invalid
    assert asyncio.run(ask(bytes(codec.MAX_PARCEL_BYTES + 2**21), head)) is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_peer_that_cannot_be_reached_is_a_refusal_in_time() -> None:
    with GrpcHost() as host:
        receipt = host.submit(host.deliver("127.0.0.1:1", parcel("n0"), 0.3)).result(WAIT_S)
    assert not receipt.accepted
    assert "did not answer" in receipt.reason or "DEADLINE" in receipt.reason


def test_the_peer_address_must_be_free() -> None:
    with GrpcHost() as host:
        port = int(host.address.rpartition(":")[2])
        with pytest.raises(OSError, match="choose another peer_port"):
            GrpcHost(peer_port=port).start()


def test_everything_listens_on_loopback_by_default() -> None:
    with GrpcHost() as host:
        assert host.address.startswith("127.0.0.1:")


def test_a_silent_channel_serves_its_other_streams_and_no_new_one() -> None:
    async def run(host: GrpcHost) -> None:
        address = "127.0.0.1:1"
        first, other = host.channel(address), host.channel(address)
        assert first is other
        await host.release(address, first, is_silent=True)
        fresh = host.channel(address)
        assert fresh is not first
        assert first.get_state() is not grpc.ChannelConnectivity.SHUTDOWN, "another stream is on it"
        await host.release(address, other, is_silent=True)
        assert first.get_state() is grpc.ChannelConnectivity.SHUTDOWN
        await host.release(address, fresh, is_silent=False)
        assert host.channel(address) is fresh, "kept for the next stream"

    with GrpcHost() as host:
        host.submit(run(host)).result(WAIT_S)


def test_a_pause_ends_early_once_the_connection_is_made() -> None:
    async def seconds(host: GrpcHost, address: str, most_s: float) -> float:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await host.pause(address, most_s)
        return loop.time() - begun

    with GrpcHost() as server, GrpcHost() as host:
        assert host.submit(seconds(host, "127.0.0.1:1", 0.2)).result(WAIT_S) >= 0.2, "nobody there"
        assert host.submit(seconds(host, server.address, 10 * WAIT_S)).result(WAIT_S) < WAIT_S
        assert host.submit(seconds(host, server.address, 0.2)).result(WAIT_S) >= 0.2, "it was there"
