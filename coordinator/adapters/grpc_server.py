"""The coordinator on gRPC: one stream a node (attendance.py), four calls for the runner (runner_calls.py). Loopback
unless the configuration gives another address.

Callers are known by certificate, or by the run's secret (protos/access); the four calls are the runner's alone.
Bytes pass through gRPC untouched and the codec alone turns them into messages, so that a bad call is answered with
INVALID_ARGUMENT and never with a traceback.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from coordinator.adapters.attendance import Attendance
from coordinator.adapters.durability import Durability
from coordinator.adapters.live_signals import open_signals
from coordinator.adapters.outboxes import Outboxes
from coordinator.adapters.runner_calls import RunnerCalls
from coordinator.adapters.running_clock import RunningClock
from coordinator.config import CoordinatorConfig
from coordinator.ledger import Ledger
from coordinator.policies.base import Policy
from coordinator.slots.protocol import RequestError
from coordinator.slots.service import CoordinatorService
from protos import codec
from protos.access.config import RUNNER, refuse_open_port
from protos.access.guard import Guard
from protos.wire import NO_DECOMPRESSION

log = logging.getLogger(__name__)

SPARE_STREAMS = 32
"""Streams beside two a node (an old one may linger): those that are about to be refused."""
RESERVED_RPCS = 32
"""Calls that no stream can take up: the runner's."""
PAUSE_PARTS = 4
"""A gap of more than this part of a lease, in which the process read no clock, was a pause."""


def server_options(config: CoordinatorConfig) -> list[tuple[str, int]]:
    """gRPC options of reliability.md: small messages in, keepalive that notices a dead peer."""
    return [
        ("grpc.max_receive_message_length", codec.MAX_STREAM_BYTES),
        ("grpc.max_send_message_length", codec.MAX_REPLY_BYTES),
        NO_DECOMPRESSION,
        ("grpc.keepalive_time_ms", 5000),
        ("grpc.keepalive_timeout_ms", 3000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 2000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 2000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.so_reuseport", 0),
    ]


class CoordinatorServer:
    """The service behind gRPC. ``start`` gives the port; ``failed`` is set when the ledger can take no
    more.
    """

    def __init__(
        self, config: CoordinatorConfig, policy: Policy, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.config = config
        self._clock = RunningClock(config.lease_s / PAUSE_PARTS, clock)
        self._ticking: asyncio.Task[None] | None = None
        self._guard = Guard(config.access)
        self.ledger = Ledger(config.ledger_path, config.run_id)
        try:
            recorded = (stored.entry for stored in self.ledger.entries())
            self.service = CoordinatorService(
                config, policy, self._clock, self.ledger.digest, recorded, os.getpid(), clock
            )
            self._signals = open_signals(config)
        except BaseException:
            self.ledger.close()
            raise
        self._outboxes = Outboxes()
        self._durability = Durability(self.ledger, self._outboxes, self._clock, self.service.leaving)
        streams = 2 * len(config.node_ids) + SPARE_STREAMS
        self._attendance = Attendance(self.service, self._durability, self._outboxes, self._guard, streams)
        self._calls = RunnerCalls(self.service, self._durability, self._clock, self._signals)
        self._server = aio.server(
            options=server_options(config),
            maximum_concurrent_rpcs=streams + RESERVED_RPCS,
        )
        self._server.add_generic_rpc_handlers((self._handlers(),))

    async def start(self) -> int:
        """Raise the epoch durably, then listen. Returns the port.

        Raises OSError when the address cannot be bound, ValueError when others could reach it without certificates.
        """
        refuse_open_port(self.config.host, self.config.access)
        await self._durability.commit(self.service.start())
        try:
            address = self._guard.listen(self._server, self.config.host, self.config.port)
        except OSError as error:
            raise OSError(f"{error}; choose another port, or 0 for any") from error
        await self._server.start()
        self._ticking = asyncio.ensure_future(self._clock.keep())
        return int(address.rpartition(":")[2])

    async def stop(self, grace_s: float = 1.0) -> None:
        """End streams, finish what is being written, close the ledger."""
        if self._ticking is not None:
            self._ticking.cancel()
        self._outboxes.end_all()
        await self._server.stop(grace_s)
        await self._durability.settled()
        if self._signals is not None:
            self._signals.close()
        self.ledger.close()

    @property
    def failed(self) -> asyncio.Event:
        """Set when the ledger can take no more."""
        return self._durability.failed

    def _handlers(self) -> grpc.GenericRpcHandler:
        calls: dict[codec.Rpc, Callable[[Any], Awaitable[Any]]] = {
            codec.BEGIN_SLOT: self._calls.begin_slot,
            codec.END_SLOT: self._calls.end_slot,
            codec.GET_STATUS: self._calls.get_status,
            codec.GET_REPORT: self._calls.get_report,
        }
        handlers = {
            rpc.method: grpc.unary_unary_rpc_method_handler(_unary(rpc, call, self._guard))
            for rpc, call in calls.items()
        }
        handlers[codec.ATTEND.method] = grpc.stream_stream_rpc_method_handler(self._attendance.attend)
        return grpc.method_handlers_generic_handler(codec.ATTEND.service, handlers)


def _unary(
    rpc: codec.Rpc, call: Callable[[Any], Awaitable[Any]], guard: Guard
) -> Callable[[bytes, Any], Awaitable[bytes]]:
    """``call`` on messages as a handler on bytes, for the runner; its errors as gRPC status codes."""

    async def handle(data: bytes, context: Any) -> bytes:
        await guard.require(context, RUNNER)
        try:
            return rpc.encode_response(await call(rpc.decode_request(data)))
        except codec.ProtocolError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"malformed: {error}")
        except RequestError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{error.code}: {error}")
        except (
            Exception
        ) as error:  # a fault of this program: reported as such, so that the runner stops retrying
            log.exception("%s failed", rpc.method)
            await context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        raise AssertionError("abort always raises")

    return handle
