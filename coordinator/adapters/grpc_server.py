"""The coordinator on gRPC: one stream a node, four calls for the runner. Loopback unless the configuration
says else.

Bytes pass through gRPC untouched and the codec alone turns them into messages, so that whatever comes in is
answered with a refusal or INVALID_ARGUMENT and never with a traceback. A stream is read one message at a
time, and the next only when the last is durable: a flooding node waits for the disk, nobody else does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from coordinator.config import CoordinatorConfig
from coordinator.ledger import Ledger
from coordinator.policies.base import Policy
from coordinator.slots.protocol import Effects, Refused, RequestError
from coordinator.slots.service import CoordinatorService
from protos import codec
from protos.messages import (
    BeginSlot,
    DownMessage,
    EndSlot,
    Refusal,
    Register,
    Report,
    ReportQuery,
    SlotPlan,
    SlotSummary,
    Status,
    StatusRequest,
    UpMessage,
)
from protos.wire import NO_DECOMPRESSION

log = logging.getLogger(__name__)

OUTBOX_MESSAGES = 256
"""Messages waiting for one node; a node that reads no faster is dropped, and may come back."""
REGISTER_S = 5.0
"""Within this a new stream says who it is."""
MARKET_S = 90.0
"""Longest negotiation, beyond the wait for nodes; below the runner's patience for a decision."""
SPARE_RPCS = 64
"""Calls beside two streams a node (an old one may linger): the runner's, and some that are about to be
refused.
"""


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
        self._clock = clock
        self.failed = asyncio.Event()
        self._changed = asyncio.Condition()
        self._slot_lock = asyncio.Lock()
        self._outboxes: dict[str, asyncio.Queue[DownMessage | None]] = {}
        self.ledger = Ledger(config.ledger_path, config.run_id)
        try:
            recorded = (stored.entry for stored in self.ledger.entries())
            self.service = CoordinatorService(
                config, policy, clock, self.ledger.digest, recorded, pid=os.getpid()
            )
        except BaseException:
            self.ledger.close()
            raise
        self._server = aio.server(
            options=server_options(config),
            maximum_concurrent_rpcs=2 * len(config.node_ids) + SPARE_RPCS,
        )
        self._server.add_generic_rpc_handlers((self._handlers(),))

    async def start(self) -> int:
        """Raise the epoch durably, then listen. Returns the port. Raises OSError when it cannot be had."""
        await self._commit(self.service.start())
        address = f"{self.config.host}:{self.config.port}"
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise OSError(
                f"cannot listen on {address}: {error}; choose another port, or 0 for any"
            ) from error
        if port == 0:
            raise OSError(f"cannot listen on {address}; choose another port, or 0 for any")
        await self._server.start()
        return port

    async def stop(self, grace_s: float = 1.0) -> None:
        """End streams, finish what is being written, close the ledger."""
        for outbox in self._outboxes.values():
            _end(outbox)
        await self._server.stop(grace_s)
        self.ledger.close()

    # --- durability ----------------------------------------------------------------------------------------

    async def _commit(self, effects: Effects) -> None:
        """Wait until the entries, and everything before them, are on disk; then say what may be said.

        Called right after the handler, without an await in between: the ledger keeps the order of the
        handlers.
        """
        try:
            # An answer without entries of its own may still speak of entries that are on their way.
            if effects.entries or effects.sends:
                await asyncio.wrap_future(self.ledger.append(effects.entries))
        except Exception:
            log.critical("the ledger takes no more; stopping, since memory is ahead of it", exc_info=True)
            self.failed.set()
            raise
        for node, message in effects.sends:
            self._post(node, message)
        async with self._changed:
            self._changed.notify_all()

    def _post(self, node: str, message: DownMessage) -> None:
        outbox = self._outboxes.get(node)
        if outbox is None:
            return  # not connected: it hears of it when it comes back
        try:
            outbox.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("node %s does not read; its stream is closed", node)
            self._outboxes.pop(node)
            _end(outbox)

    async def _until(self, nobody: Callable[[], tuple[str, ...]], deadline: float) -> None:
        """Wait until ``nobody`` is awaited any more or the deadline (on the clock) is over."""
        while nobody():
            now = self._clock()
            left = min(deadline, self.service.sessions.next_expiry()) - now
            if now >= deadline:
                return
            async with self._changed:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), max(0.001, left))

    # --- streams of nodes ----------------------------------------------------------------------------------

    async def attend(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """One node's stream: what it says is taken up by a task of its own, what it is told is yielded
        here.
        """
        outbox: asyncio.Queue[DownMessage | None] = asyncio.Queue(OUTBOX_MESSAGES)
        reader = asyncio.ensure_future(self._read(requests, outbox))
        try:
            while (message := await outbox.get()) is not None:
                yield codec.encode_down(message)
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    async def _read(self, requests: AsyncIterator[bytes], outbox: asyncio.Queue[DownMessage | None]) -> None:
        node, session = "", -1
        try:
            first = await asyncio.wait_for(anext(requests), REGISTER_S)
            registration = codec.decode_up(first)
            if not isinstance(registration, Register):
                raise Refused("not_registered", "the first message of a stream is Register")
            session, effects = self.service.register(registration)
            node = registration.node_id
            if (fenced := self._outboxes.get(node)) is not None:
                _end(fenced, Refusal("fenced", f"a newer stream of {node} took over"))
            self._outboxes[node] = outbox
            await self._commit(effects)
            async for data in requests:
                if not await self._take(node, session, data, outbox):
                    break
        except (Refused, codec.ProtocolError) as error:
            await self._refuse(error, outbox)
        except (TimeoutError, StopAsyncIteration):
            log.info("a stream ended before it registered")
        except aio.UsageError:
            log.info("stream of %s is gone", node or "nobody")
        finally:
            if node:
                self.service.sessions.close(node, session)
                if self._outboxes.get(node) is outbox:
                    del self._outboxes[node]
            _end(outbox)

    async def _take(
        self, node: str, session: int, data: bytes, outbox: asyncio.Queue[DownMessage | None]
    ) -> bool:
        """Take up one message; False when the stream is to end."""
        try:
            message: UpMessage = codec.decode_up(data)
            if isinstance(message, Refusal):
                log.warning("%s refuses: %s (%s)", node, message.reason, message.code)
            effects = self.service.receive(node, session, message)
        except (Refused, codec.ProtocolError) as error:
            await self._refuse(error, outbox)
            return not (isinstance(error, Refused) and error.refusal.code in ("fenced", "stale_boot"))
        await self._commit(effects)
        return True

    async def _refuse(
        self, error: Refused | codec.ProtocolError, outbox: asyncio.Queue[DownMessage | None]
    ) -> None:
        if isinstance(error, Refused):
            refusal, alarms, follow = error.refusal, error.alarms, error.follow
        else:
            refusal, alarms, follow = Refusal("malformed", str(error)), (), ()
        log.warning("refused: %s (%s)", refusal.reason, refusal.code)
        await self._commit(Effects(alarms))
        refusal = Refusal(refusal.code, codec.safe_text(refusal.reason))
        for message in (refusal, *follow):
            with contextlib.suppress(asyncio.QueueFull):
                outbox.put_nowait(message)

    # --- the runner's calls --------------------------------------------------------------------------------

    async def begin_slot(self, request: BeginSlot) -> SlotPlan:
        async with self._slot_lock:
            deadline = self._clock() + request.wait_s
            while True:
                known = self.service.deciding.begin(request)
                if known is None and self.service.policy.negotiates:
                    known = await self._negotiate(request, deadline)
                if known is None:
                    await self._until(self.service.deciding.awaiting_telemetry, deadline)
                    draft = self.service.deciding.draft()
                    # In a thread, so that heartbeats are kept while a large program is solved.
                    choice, state = await asyncio.to_thread(self.service.deciding.choose, draft)
                    known = self.service.deciding.adopt(request, draft, choice, state)
                if known is not None:
                    plan, effects = known
                    await self._commit(effects)
                    return plan

    async def _negotiate(self, request: BeginSlot, deadline: float) -> tuple[SlotPlan, Effects]:
        """Hold the slot's market. Nodes have until ``deadline`` to come, and a lease for every later answer."""
        await self._until(self.service.negotiating.awaiting_nodes, deadline)
        over = self._clock() + request.wait_s + MARKET_S
        said: Effects | None = self.service.negotiating.open()
        while said is not None:
            await self._commit(said)
            await self._until(self.service.negotiating.awaiting_offers, deadline)
            said = self.service.negotiating.step(out_of_time=self._clock() >= over)
            deadline = self._clock() + self.config.lease_s
        return self.service.negotiating.adopt(request)

    async def end_slot(self, request: EndSlot) -> SlotSummary:
        async with self._slot_lock:
            deadline = self._clock() + request.wait_s
            done, effects = self.service.closing.close(request)
            await self._commit(effects)
            if done is not None:
                return done
            await self._until(self.service.closing.awaiting_usage, deadline)
            await self._commit(self.service.closing.trade())
            # Who has metered gets as long again to settle: a grant must not be cut off by a slow neighbour.
            await self._until(self.service.closing.awaiting_settlement, self._clock() + request.wait_s)
            summary, effects = self.service.closing.finish(request)
            await self._commit(effects)
            return summary

    async def get_status(self, request: StatusRequest) -> Status:
        return self.service.status()

    async def get_report(self, request: ReportQuery) -> Report:
        return self.service.report(request)

    # --- wiring --------------------------------------------------------------------------------------------

    def _handlers(self) -> grpc.GenericRpcHandler:
        calls: dict[codec.Rpc, Callable[[Any], Awaitable[Any]]] = {
            codec.BEGIN_SLOT: self.begin_slot,
            codec.END_SLOT: self.end_slot,
            codec.GET_STATUS: self.get_status,
            codec.GET_REPORT: self.get_report,
        }
        handlers = {
            rpc.method: grpc.unary_unary_rpc_method_handler(_unary(rpc, call)) for rpc, call in calls.items()
        }
        handlers[codec.ATTEND.method] = grpc.stream_stream_rpc_method_handler(self.attend)
        return grpc.method_handlers_generic_handler(codec.ATTEND.service, handlers)


def _unary(rpc: codec.Rpc, call: Callable[[Any], Awaitable[Any]]) -> Callable[[bytes, Any], Awaitable[bytes]]:
    """``call`` on messages as a handler on bytes, its errors as gRPC status codes."""

    async def handle(data: bytes, context: Any) -> bytes:
        try:
            return rpc.encode_response(await call(rpc.decode_request(data)))
        except codec.ProtocolError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"malformed: {error}")
        except RequestError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{error.code}: {error}")
        except Exception as error:  # a fault of this program: said as such, lest the runner asks for ever
            log.exception("%s failed", rpc.method)
            await context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        raise AssertionError("abort always raises")

    return handle


def _end(outbox: asyncio.Queue[DownMessage | None], last: DownMessage | None = None) -> None:
    """Let the stream end after what waits already (and ``last``); drop the oldest where there is no room."""
    for item in (last, None) if last is not None else (None,):
        if outbox.full():
            outbox.get_nowait()
        outbox.put_nowait(item)
