"""A node's streams to its coordinator: opened one after the other, messages handed to the node, answers sent.

A broken stream is opened again with full jitter, or once the connection is back, and messages that were not
acknowledged are sent again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import grpc.aio

from edge_node.adapters.host import GrpcHost
from edge_node.adapters.lease import Lease
from edge_node.adapters.stream import Stream, StreamOver, mark_error_read
from edge_node.slots.link import FATAL_REFUSALS, Response, respond, tick
from edge_node.slots.node import EdgeNode
from protos.codec import ProtocolError, safe_text
from protos.messages.parcels import Parcel, Receipt
from protos.messages.slot import CloseSlot
from protos.messages.stream import Ack, ClockQuestion, DownMessage, Heard, Refusal, Welcome

log = logging.getLogger(__name__)

REGISTER_TIMEOUT_S = 5.0
BACKOFF_FIRST_S, BACKOFF_LAST_S = 0.1, 3.0
FENCE_FRACTION = 0.8
"""Share of the lease without a message of the coordinator after which a node stops working for it."""
GATHERED_FRACTION = 0.1
"""Share of the time between heartbeats for which one waits for those of other nodes (choice: little beside a lease, and
however many nodes a process has, they say theirs in some ten messages)."""
NOT_LET_IN = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
DELIVERY_TIMEOUT_S, DELIVERY_FRACTION = 4.0, 2 / 3
"""Longest wait for an executor's answer: so many seconds, or this share of the lease where that is longer; a quarter of
the slot's own deadline when that is shorter."""
CACHE_BYTES_PER_S = 1e6
"""Caches of prompts have a second more for each so many bytes (choice: 8 Mbit/s, a slow Wi-Fi). The executor waits for
them as long as they are on their way."""


class Silence(StreamOver):
    """The coordinator was not heard for too long."""


class Attendance:
    """One node on the host's loop.

    Args:
        node: Its logic, which runs in the host's worker threads.
        host: What the nodes of this process share.
        coordinator: host:port.
        boot_id: Stays the same as long as the node object lives.
        lease: Lifted, fenced and failed here.
    """

    def __init__(self, node: EdgeNode, host: GrpcHost, coordinator: str, boot_id: str, lease: Lease) -> None:
        self._node, self._host, self._coordinator = node, host, coordinator
        self._boot_id, self._lease = boot_id, lease
        self.stream: Stream | None = None
        """The stream that is open now."""
        self.trouble = ""
        """Why the last stream ended; empty before."""
        self.lease_s = 0.0
        """As the coordinator said last; 0 before its first welcome."""
        self._heard_at = 0.0
        self._deliveries: set[asyncio.Task[None]] = set()
        self._closings: set[asyncio.Task[None]] = set()
        self._turn, self._reading = asyncio.Lock(), asyncio.Lock()

    async def attend(self) -> None:
        """Stream after stream, until the node is cut off or this task is cancelled."""
        name, ceiling_s = self._node.node_id, BACKOFF_FIRST_S
        while not self._lease.failure:
            welcomed = False
            try:
                welcomed = await self._one_stream()
            except (grpc.aio.AioRpcError, ProtocolError, StreamOver, TimeoutError) as error:
                log.info("%s: stream to %s ended: %s", name, self._coordinator, _brief(error))
                self.trouble = _brief(error)
                if isinstance(error, grpc.aio.AioRpcError) and error.code() in NOT_LET_IN:
                    self._lease.fail(f"{self._coordinator} does not let it in: {error.details()}")
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                log.info("%s: stream to %s was cancelled", name, self._coordinator)
            except Exception as error:  # a defect in the node's logic must not look like a quiet node
                log.exception("%s: the node failed", name)
                self._lease.fail(f"{type(error).__name__}: {error}")
            ceiling_s = BACKOFF_FIRST_S if welcomed else min(BACKOFF_LAST_S, ceiling_s * 2)
            if not self._lease.failure:
                await self._host.pause(self._coordinator, random.uniform(0, ceiling_s))
                await asyncio.sleep(random.uniform(0, BACKOFF_FIRST_S))

    async def _one_stream(self) -> bool:
        """Attend until the stream ends. Returns whether the coordinator had welcomed the node."""
        channel = self._host.channel(self._coordinator)
        stream = self.stream = Stream(channel, self._host.calls.metadata)
        beat: asyncio.Task[None] | None = None
        is_silent = False
        try:
            await stream.say(self._node.register(self._boot_id, self._host.address))
            first = await asyncio.wait_for(stream.hear(), REGISTER_TIMEOUT_S)
            if not isinstance(first, Welcome):
                self._refused(first)
                return False
            self._heard_at, self.lease_s = time.monotonic(), first.lease_s
            await self._handle(stream, first)
            beat = mark_error_read(asyncio.create_task(self._beat(stream, first)))
            await self._listen(stream, beat)
            return True
        except (grpc.aio.AioRpcError, StreamOver, ProtocolError, TimeoutError) as error:
            is_silent = isinstance(error, TimeoutError | Silence)
            if beat is None:
                raise
            return True
        finally:
            if beat is not None:
                beat.cancel()
            stream.cancel()
            self.stream = None
            await self._host.release(self._coordinator, channel, is_silent)

    async def _listen(self, stream: Stream, beat: asyncio.Task[None]) -> None:
        """Handle message after message, until the node is cut off or the heartbeats end."""
        while not self._lease.failure:
            hearing = mark_error_read(asyncio.ensure_future(stream.hear()))
            done, _ = await asyncio.wait({hearing, beat}, return_when=asyncio.FIRST_COMPLETED)
            if hearing not in done:
                hearing.cancel()
                beat.result()  # raises what ended it
                return
            message = hearing.result()
            self._heard_at = time.monotonic()
            await self._handle(stream, message)

    async def _handle(self, stream: Stream, message: DownMessage) -> None:
        if isinstance(message, ClockQuestion):  # not in turn: waiting would count as the message's way
            await stream.say(self._node.clock(message))
            return
        if isinstance(message, Ack) and self._node.knows(message):
            return
        if isinstance(message, Heard):
            self._host.heard(message.node_ids)
            return
        if isinstance(message, Refusal):
            log.info("%s: refused (%s): %s", self._node.node_id, message.code, message.reason)
            if message.code in FATAL_REFUSALS:
                self._refused(message)
                return
        if isinstance(message, CloseSlot) and self._node.switches:
            closing = asyncio.create_task(self._close(stream, message))
            self._closings.add(closing)
            closing.add_done_callback(self._closings.discard)
            return
        await self._respond(stream, message)
        if isinstance(message, Welcome):
            self._lease.lift()
        self._lease.changed()

    async def _respond(self, stream: Stream, message: DownMessage) -> None:
        await self._send(stream, await self._in_turn(lambda: respond(self._node, message)))

    async def _close(self, stream: Stream, message: CloseSlot) -> None:
        """The slot is over, and its reading waits for a board that is being woken or put to sleep; the stream goes
        on meanwhile."""
        name = self._node.node_id
        try:
            await asyncio.to_thread(self._node.settle_sleep)
            await self._respond(stream, message)
        except (grpc.aio.AioRpcError, StreamOver, ProtocolError) as error:
            log.info("%s: slot %d is reported on the next stream: %s", name, message.slot, _brief(error))
        except Exception as error:  # as in ``attend``
            log.exception("%s: the node failed", name)
            self._lease.fail(f"{type(error).__name__}: {error}")
        self._lease.changed()

    async def _in_turn(self, work: Callable[[], Response]) -> Response:
        # One message of a node after the other, off the loop: packing a parcel must not delay other nodes' heartbeats.
        async with self._turn:
            return await asyncio.to_thread(work)

    async def _send(self, stream: Stream, response: Response) -> None:
        for up in response.up:
            await stream.say(up)
        for address, parcel in response.parcels:
            task = asyncio.create_task(self._deliver(address, parcel))
            self._deliveries.add(task)
            task.add_done_callback(self._deliveries.discard)

    async def _deliver(self, address: str, parcel: Parcel) -> None:
        most_s = max(DELIVERY_TIMEOUT_S, DELIVERY_FRACTION * self.lease_s)
        wait_s = min(most_s, self._node.slot_deadline_s(parcel.slot) / 4)
        receipt = Receipt(False, 0, "not delivered")
        try:
            parcel = await self._read_ahead(parcel)
            caches = sum(len(prompt.cache) for prompt in parcel.prompts)
            receipt = await self._host.deliver(address, parcel, wait_s + caches / CACHE_BYTES_PER_S)
        except ProtocolError as error:
            receipt = Receipt(False, 0, safe_text(error))
        finally:  # also when cancelled: ``execute`` waits for every parcel's outcome
            if receipt.accepted:
                self._node.parcel_delivered(parcel)
            else:
                log.info("%s: %s takes no batches: %s", self._node.node_id, parcel.executor, receipt.reason)
                self._node.parcel_failed(parcel)
            self._lease.changed()

    async def _read_ahead(self, parcel: Parcel) -> Parcel:
        """Prompts of a parcel may take minutes to read. The host's threads do not wait for that: they take what comes
        for all of its nodes."""
        if not await asyncio.to_thread(self._node.reads_ahead, parcel):
            return parcel
        async with self._reading:  # the board reads for one executor after the other
            thread = ThreadPoolExecutor(1, thread_name_prefix=f"prompts-{self._node.node_id}")
            try:
                return await asyncio.get_running_loop().run_in_executor(thread, self._node.read_ahead, parcel)
            finally:
                thread.shutdown(wait=False)

    async def _beat(self, stream: Stream, welcome: Welcome) -> None:
        """Heartbeats until the stream or the lease ends."""
        fence_s = FENCE_FRACTION * welcome.lease_s
        every_s = min(welcome.heartbeat_s, fence_s / 2)
        gather_s = GATHERED_FRACTION * every_s
        while True:
            await asyncio.sleep(every_s - gather_s)
            if time.monotonic() - self._heard_at > fence_s:
                self._lease.fence()
                raise Silence(f"no message for {fence_s:g} s")
            beat = self._node.heartbeat(time.monotonic_ns())
            await self._host.beats.say(self._coordinator, stream, beat, gather_s)
            if self._node.has_nothing_to_say():
                continue
            await self._send(stream, await self._in_turn(lambda: tick(self._node)))

    def heard(self) -> None:
        """The coordinator has heard of the node, and says so on another node's stream."""
        self._heard_at = time.monotonic()

    def _refused(self, message: DownMessage) -> None:
        if isinstance(message, Refusal) and message.code in FATAL_REFUSALS:
            self._lease.fail(f"{message.code}: {message.reason}")
            return
        said = f"refused, {message.code}: {message.reason}" if isinstance(message, Refusal) else repr(message)
        raise StreamOver(f"no Welcome but {said}")


def _brief(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return f"{type(error).__name__}: {error}"
