"""Batches between nodes over gRPC: one EdgePeer server per process serves all its nodes, one client calls
others.

Everything here runs on the event loop of the process's host (host.py). Deliveries are
idempotent, so they are repeated until their deadline; limits on size and number of calls are set on both
sides.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import grpc
import grpc.aio

from protos import codec
from protos.access.calls import Calls
from protos.access.guard import Guard
from protos.codec import DELIVER, MAX_PARCEL_BYTES, ProtocolError
from protos.messages.parcels import Parcel, ParcelHead, Receipt, head_of
from protos.wire import NO_DECOMPRESSION, REDIAL_OPTIONS, proxy_options

log = logging.getLogger(__name__)

MESSAGE_OVERHEAD_BYTES = 1024 * 1024
MAX_CALLS = 64
"""Deliveries handled at a time by one process."""

MAX_CONNECTIONS, IDLE_S, HANDSHAKE_S = 128, 60.0, 5.0
"""Open connections to a process, twice the deliveries that it handles; one that is not used makes room, and so does one
that does not say what it wants. A peer's channel connects again when it is needed."""

LOOKAHEAD_BYTES = 1024 * 1024
"""What gRPC takes from a call before the parcel is asked for by its head."""

CHANNEL_OPTIONS = (*REDIAL_OPTIONS, ("grpc.enable_http_proxy", 0))
SERVER_OPTIONS = (
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 2_000),
    ("grpc.max_receive_message_length", MAX_PARCEL_BYTES + MESSAGE_OVERHEAD_BYTES),
    ("grpc.max_allowed_incoming_connections", MAX_CONNECTIONS),
    ("grpc.max_connection_idle_ms", int(IDLE_S * 1000)),
    ("grpc.server_handshake_timeout_ms", int(HANDSHAKE_S * 1000)),
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.http2.bdp_probe", 0),  # it would widen the window of a peer whose parcel is going to be refused
    ("grpc.http2.lookahead_bytes", LOOKAHEAD_BYTES),
    NO_DECOMPRESSION,
    ("grpc.so_reuseport", 0),
)
REPEAT_S = 2.0
"""A peer that has been away for so long is given up: its batches are better run at home than late."""
_REPEATED = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})


HEAD = "detabed-parcel-bin"
"""Header with the head of a parcel."""


def head_metadata(parcel: Parcel) -> tuple[tuple[str, bytes], ...]:
    """Headers of a delivery that say what is coming."""
    return ((HEAD, codec.encode(head_of(parcel))),)


class PeerServer:
    """Takes parcels for the nodes of this process and dispatches them by executor id.

    A parcel that is not wanted is refused by its head: its megabytes are neither read nor decoded.
    """

    def __init__(
        self,
        refuse: Callable[[ParcelHead], Receipt | None],
        receive: Callable[[Parcel], Receipt],
        guard: Guard,
    ) -> None:
        """``refuse``, by the head alone, and ``receive`` run in worker threads; an unknown executor is theirs to
        refuse."""
        self._refuse, self._receive = refuse, receive
        self._guard = guard
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen; port 0 takes a free one. Returns host:port. Raises OSError when the address is taken."""
        # Bytes in, bytes out: the codec judges. A stream on this side alone: see ``_deliver``.
        handler = grpc.stream_unary_rpc_method_handler(self._deliver)
        self._server = grpc.aio.server(options=SERVER_OPTIONS, maximum_concurrent_rpcs=MAX_CALLS)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(DELIVER.service, {DELIVER.method: handler}),)
        )
        try:
            address = self._guard.listen(self._server, host, port)
        except OSError as error:
            raise OSError(f"batch transfer: {error}; choose another peer_port") from error
        await self._server.start()
        return address

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(grace=0.2)
            self._server = None

    async def _deliver(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        # gRPC reads a unary call's message before its handler runs: a stranger's megabytes would be in memory by then.
        caller = await self._guard.caller(context)
        try:
            said = dict(context.invocation_metadata() or ()).get(HEAD, b"")
            head = codec.decode(ParcelHead, said if isinstance(said, bytes) else said.encode())
            await self._guard.require(context, head.owner, caller)
            if (refused := await asyncio.to_thread(self._refuse, head)) is not None:
                return DELIVER.encode_response(refused)
            parcel = DELIVER.decode_request(await anext(requests, b""))
            if head_of(parcel) != head:
                raise ProtocolError("Parcel", head_of(parcel), f"what its head says: {head}")
        except ProtocolError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, codec.safe_text(error))
        receipt = await asyncio.to_thread(self._receive, parcel)
        return DELIVER.encode_response(receipt)


class PeerClient:
    """Delivers parcels to other processes; channels are kept."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._channels: dict[tuple[str, str], grpc.aio.Channel] = {}

    async def deliver(self, address: str, parcel: Parcel, timeout_s: float) -> Receipt:
        """Hand ``parcel`` over. Never raises for a peer's failure: then nothing is accepted, and the reason
        says why.

        Raises ProtocolError when the parcel itself breaks the contract.
        """
        data, metadata = DELIVER.encode_request(parcel), (*self._calls.metadata, *head_metadata(parcel))
        begun = time.monotonic()
        deadline = begun + timeout_s
        call: Any = cast(Any, self._channel(address, parcel.executor)).unary_unary(DELIVER.path)
        ceiling_s = 0.1
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return Receipt(False, 0, f"{address} did not answer within {timeout_s:g} s")
            try:
                answer = await call(data, timeout=left, metadata=metadata)
                return DELIVER.decode_response(answer)
            except ProtocolError as error:
                return Receipt(False, 0, codec.safe_text(f"{address} answered nonsense: {error}"))
            except grpc.aio.AioRpcError as error:
                if error.code() not in _REPEATED or time.monotonic() - begun > REPEAT_S:
                    return Receipt(
                        False, 0, codec.safe_text(f"{address}: {error.code().name}: {error.details()}")
                    )
            await asyncio.sleep(min(random.uniform(0, ceiling_s), max(0.0, deadline - time.monotonic())))
            ceiling_s = min(5.0, ceiling_s * 2)

    def _channel(self, address: str, executor: str) -> grpc.aio.Channel:
        # Without certificates the address alone counts, and nodes of a process share a connection.
        key = (address, executor if self._calls.certified else "")
        if key not in self._channels:
            options = (
                *CHANNEL_OPTIONS,
                *proxy_options(address),
                ("grpc.max_send_message_length", MAX_PARCEL_BYTES + MESSAGE_OVERHEAD_BYTES),
            )
            self._channels[key] = self._calls.aio_channel(address, executor, options)
        return self._channels[key]

    async def close(self) -> None:
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            await channel.close(None)
