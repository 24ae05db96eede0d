"""A node's stream to the coordinator, and the host that many nodes of one process share.

One thread with one event loop carries the streams of all nodes of a process, their heartbeats, the
batch-transfer server and all deliveries; node logic runs in a few worker threads, so that no node's packing
delays another's heartbeat. A stream that breaks is taken up again with full jitter, and what was not
acknowledged is said again.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar, cast

import grpc
import grpc.aio

from edge_node.adapters.batch_transfer import CHANNEL_OPTIONS, PeerClient, PeerServer
from edge_node.adapters.infer_server import InferServer
from edge_node.slots.errors import NotReady
from edge_node.slots.link import FATAL_REFUSALS, LinkError, Response, require_ready, respond, tick
from edge_node.slots.node import EdgeNode
from edge_node.slots.slot import Readiness
from protos.codec import ATTEND, MAX_STREAM_BYTES, ProtocolError, safe_text
from protos.messages import DownMessage, Parcel, Receipt, Refusal, UpMessage, Welcome
from protos.wire import proxy_options

log = logging.getLogger(__name__)

REGISTER_TIMEOUT_S = 5.0
BACKOFF_FIRST_S, BACKOFF_LAST_S = 0.1, 5.0
FENCE_FRACTION = 0.8
"""Share of the lease without a word of the coordinator after which a node works no more for it."""
DELIVERY_TIMEOUT_S = 4.0
"""Longest wait for an executor's answer; a quarter of the slot's own deadline when that is shorter."""
OFFLOADED_TIMEOUT_S = 5.0
"""Longest wait for offloaded batches once decided: by then their owners have delivered them, or taken them back."""

_END_OF_STREAM: Any = cast(Any, grpc.aio).EOF
T = TypeVar("T")


class _StreamOver(Exception):
    """The stream has ended and is to be opened again."""


class GrpcHost:
    """What the nodes of one process share: event loop, worker threads, batch-transfer server and client.

    Use as a context manager, or ``start`` and ``close``.
    """

    def __init__(
        self,
        peer_host: str = "127.0.0.1",
        peer_port: int = 0,
        *,
        infer_port: int = 0,
        channel_credentials: grpc.ChannelCredentials | None = None,
        server_credentials: grpc.ServerCredentials | None = None,
        workers: int = 4,
    ) -> None:
        self._peer_host, self._peer_port, self._infer_port = peer_host, peer_port, infer_port
        self._channel_credentials = channel_credentials
        self._infer = InferServer(
            lambda: {node_id: link.node for node_id, link in self._links.items()}, server_credentials
        )
        self._server = PeerServer(self._receive_parcel, server_credentials)
        self._client: PeerClient | None = None
        self._links: dict[str, GrpcLink] = {}
        self._coordinators: dict[str, grpc.aio.Channel] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="edge-node")
        self.address = ""
        """host:port of the batch-transfer server once started."""
        self.infer_address = ""
        """host:port at which outside clients ask the nodes of this process, once started."""

    def start(self) -> GrpcHost:
        """Start loop and server. Raises OSError when the peer address cannot be had."""
        if self._thread is not None:
            return self
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(self._workers)
        self._thread = threading.Thread(target=self._loop.run_forever, name="edge-node-host", daemon=True)
        self._thread.start()
        try:
            self.address, self.infer_address = self.submit(self._start_servers()).result()
        except BaseException:
            self.close()
            raise
        return self

    async def _start_servers(self) -> tuple[str, str]:
        self._client = PeerClient(self._channel_credentials)
        peers = await self._server.start(self._peer_host, self._peer_port)
        return peers, await self._infer.start(self._peer_host, self._infer_port)

    def attach(self, node: EdgeNode, coordinator_address: str = "", boot_id: str | None = None) -> GrpcLink:
        """The link of ``node``; start it to register. ``boot_id`` default: a fresh random one."""
        return GrpcLink(node, self, coordinator_address, boot_id)

    def enter(self, link: GrpcLink) -> None:
        """Take parcels for the link's node from now on. Raises LinkError for a node that is here already."""
        if self._links.setdefault(link.node.node_id, link) is not link:
            raise LinkError(f"node {link.node.node_id} is attached already")

    def leave(self, link: GrpcLink) -> None:
        """Take no more parcels for it."""
        if self._links.get(link.node.node_id) is link:
            del self._links[link.node.node_id]

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the host's loop."""
        if self._loop is None:
            work.close()
            raise LinkError("the host is not started; call start() first")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def channel(self, address: str) -> grpc.aio.Channel:
        """Channel to a coordinator, shared by all nodes of the process. On the loop only."""
        if address not in self._coordinators:
            options = (
                *CHANNEL_OPTIONS,
                *proxy_options(address),
                ("grpc.max_receive_message_length", MAX_STREAM_BYTES + 4096),
            )
            if self._channel_credentials is None:
                self._coordinators[address] = grpc.aio.insecure_channel(address, options=options)
            else:
                self._coordinators[address] = grpc.aio.secure_channel(
                    address, self._channel_credentials, options=options
                )
        return self._coordinators[address]

    async def deliver(self, address: str, parcel: Parcel, timeout_s: float) -> Receipt:
        """Deliver a parcel to a peer; an empty address means a node of this process."""
        if not address:
            return await asyncio.to_thread(self._receive_parcel, parcel)
        assert self._client is not None
        return await self._client.deliver(address, parcel, timeout_s)

    def _receive_parcel(self, parcel: Parcel) -> Receipt:
        link = self._links.get(parcel.executor)
        if link is None:
            return Receipt(False, 0, f"{parcel.executor} does not live here")
        receipt = link.node.on_parcel(parcel)
        link.changed()
        return receipt

    def close(self) -> None:
        """Close links, server and loop. May be called twice."""
        for link in list(self._links.values()):
            link.close()
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            self.submit(self._shut_down()).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
        self._loop = self._thread = None
        self._workers.shutdown(wait=False)
        with _hosts_lock:
            for key in [key for key, (shared, _) in _hosts.items() if shared is self]:
                del _hosts[key]

    async def _shut_down(self) -> None:
        await self._server.stop()
        await self._infer.close()
        if self._client is not None:
            await self._client.close()
        channels, self._coordinators = list(self._coordinators.values()), {}
        for channel in channels:
            await channel.close(None)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def __enter__(self) -> GrpcHost:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


_hosts: dict[tuple[str, int], tuple[GrpcHost, int]] = {}
"""Hosts shared by the links of this process, with how many use each, by peer address."""
_hosts_lock = threading.Lock()


def _borrow_host(peer_host: str, peer_port: int) -> GrpcHost:
    with _hosts_lock:
        host, users = _hosts.get((peer_host, peer_port), (None, 0))
        host = host if host is not None else GrpcHost(peer_host, peer_port).start()
        _hosts[peer_host, peer_port] = (host, users + 1)
        return host


def _return_host(host: GrpcHost) -> None:
    unused = None
    with _hosts_lock:
        for key, (shared, users) in list(_hosts.items()):
            if shared is host:
                _hosts[key] = (shared, users - 1)
                if users == 1:
                    unused = _hosts.pop(key)[0]
    if unused is not None:
        unused.close()


class GrpcLink:
    """One node's way to coordinator and peers; see edge_node.slots.link.Link."""

    def __init__(
        self,
        node: EdgeNode,
        host: GrpcHost | None = None,
        coordinator_address: str = "",
        boot_id: str | None = None,
    ) -> None:
        """What is left out comes from the node's configuration; without ``host`` the process's own is shared.

        Raises LinkError when the node is attached already, or nobody says where its coordinator is.
        """
        self._node = node
        self._coordinator = coordinator_address or node.config.coordinator_address
        if not self._coordinator:
            raise LinkError(f"{node.node_id} has no coordinator_address; give host:port in its configuration")
        self._shared = (
            None if host is not None else _borrow_host(node.config.peer_host, node.config.peer_port)
        )
        self._host: GrpcHost = host if host is not None else self._shared  # type: ignore[assignment]
        self._boot_id = boot_id or uuid.uuid4().hex
        self._changed = threading.Condition()
        self._failure = ""
        self._fenced = True
        """No lease: before the first Welcome, or after silence."""
        self._closed = False
        self._task: Future[None] | None = None
        self._call: Any = None
        self._heard_at = 0.0
        self._deliveries: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._writing = asyncio.Lock()
        try:
            self._host.enter(self)
        except LinkError:
            self._release_host()
            raise

    @property
    def node(self) -> EdgeNode:
        return self._node

    @property
    def address(self) -> str:
        return self._host.address

    @property
    def infer_address(self) -> str:
        """host:port at which outside clients ask this node."""
        return self._host.infer_address

    @property
    def fenced(self) -> bool:
        """Whether the node holds no lease it can be sure of."""
        return self._fenced

    def start(self) -> None:
        """Attend the coordinator from now on; returns at once, see ``wait_registered``."""
        if self._task is None and not self._closed:
            self._task = self._host.submit(self._attend())

    def wait_registered(self, timeout_s: float) -> None:
        """Block until the coordinator has welcomed this node; LinkError when it does not."""
        with self._changed:
            self._changed.wait_for(lambda: not self._fenced or self._failure or self._closed, timeout_s)
            self._check()
            if self._fenced:
                raise LinkError(
                    f"{self._node.node_id}: no welcome from {self._coordinator} in {timeout_s:g} s; is it up?"
                )

    def wait_ready(self, slot: int, timeout_s: float) -> Readiness:
        """See Link."""
        deadline = time.monotonic() + timeout_s
        self._wait(lambda: self._node.readiness(slot).decided, slot, timeout_s)
        left_s = deadline - time.monotonic()
        self._wait(lambda: self._node.readiness(slot).ready, slot, min(left_s / 2, OFFLOADED_TIMEOUT_S))
        self._node.give_up_missing(slot)
        self._wait(lambda: self._node.readiness(slot).ready, slot, deadline - time.monotonic())
        self._check()
        if self._fenced:
            raise NotReady(f"{self._node.node_id} holds no lease: nothing was heard of {self._coordinator}")
        return require_ready(self._node, slot)

    def _wait(self, condition: Callable[[], bool], slot: int, timeout_s: float) -> None:
        def done() -> bool:
            if self._failure or self._closed or self._node.readiness(slot).over:
                return True
            return condition() and not self._fenced

        with self._changed:
            self._changed.wait_for(done, max(0.0, timeout_s))

    def _check(self) -> None:
        if self._failure:
            raise LinkError(f"{self._node.node_id} is cut off: {self._failure}")
        if self._closed:
            raise LinkError(f"the link of {self._node.node_id} is closed")

    def changed(self) -> None:
        """Something happened to the node: wake those who wait."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._host.leave(self)
        self.changed()
        self._release_host()

    def _release_host(self) -> None:
        if self._shared is not None:
            shared, self._shared = self._shared, None
            _return_host(shared)

    # --- on the loop ---------------------------------------------------------------------------------------

    async def _attend(self) -> None:
        ceiling_s = BACKOFF_FIRST_S
        while not self._failure:
            welcomed = False
            try:
                welcomed = await self._one_stream()
            except (grpc.aio.AioRpcError, ProtocolError, _StreamOver, TimeoutError) as error:
                log.info("%s: stream to %s ended: %s", self._node.node_id, self._coordinator, _brief(error))
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                log.info("%s: stream to %s was cancelled", self._node.node_id, self._coordinator)
            except Exception as error:  # a defect in the node's logic must not look like a quiet node
                log.exception("%s: the node failed", self._node.node_id)
                self._fail(f"{type(error).__name__}: {error}")
            ceiling_s = BACKOFF_FIRST_S if welcomed else min(BACKOFF_LAST_S, ceiling_s * 2)
            if not self._failure:
                await asyncio.sleep(random.uniform(0, ceiling_s))

    async def _one_stream(self) -> bool:
        """Attend until the stream ends. Returns whether the coordinator had welcomed us."""
        call: Any = cast(Any, self._host.channel(self._coordinator)).stream_stream(ATTEND.path)()
        self._call = call
        beat: asyncio.Task[None] | None = None
        try:
            register = self._node.register(self._boot_id, self._host.address)
            await self._say(call, register)
            first = ATTEND.decode_response(await asyncio.wait_for(self._read(call), REGISTER_TIMEOUT_S))
            if not isinstance(first, Welcome):
                self._refused(first)
                return False
            self._heard()
            await self._handle(call, first)
            beat = asyncio.create_task(self._beat(call, first))
            while True:
                reading = asyncio.ensure_future(self._read(call))
                done, _ = await asyncio.wait({reading, beat}, return_when=asyncio.FIRST_COMPLETED)
                if reading not in done:
                    reading.cancel()
                    beat.result()  # raises what ended it
                    return True
                self._heard()
                await self._handle(call, ATTEND.decode_response(reading.result()))
                if self._failure:
                    return True
        except (grpc.aio.AioRpcError, _StreamOver, ProtocolError):
            if beat is None:
                raise
            return True
        finally:
            if beat is not None:
                beat.cancel()
            call.cancel()
            self._call = None

    async def _read(self, call: Any) -> bytes:
        data = await call.read()
        if data is _END_OF_STREAM:
            raise _StreamOver("the coordinator closed the stream")
        return bytes(data)

    async def _say(self, call: Any, message: UpMessage) -> None:
        # gRPC takes one write at a time: a heartbeat into an answer that is on its way would end the stream.
        async with self._writing:
            try:
                await call.write(ATTEND.encode_request(message))
            except asyncio.InvalidStateError as error:  # the stream ended before we had read that it did
                raise _StreamOver(str(error)) from error

    async def _handle(self, call: Any, message: DownMessage) -> None:
        if isinstance(message, Refusal):
            log.info("%s: refused (%s): %s", self._node.node_id, message.code, message.reason)
            if message.code in FATAL_REFUSALS:
                self._refused(message)
                return
        await self._send(call, await self._in_turn(lambda: respond(self._node, message)))
        if isinstance(message, Welcome):
            self._lift_fence()
        self.changed()

    async def _in_turn(self, work: Any) -> Response:
        # One message of a node after the other, off the loop: packing a parcel must not delay other
        # heartbeats.
        async with self._turn:
            return await asyncio.to_thread(work)

    async def _send(self, call: Any, response: Response) -> None:
        for up in response.up:
            await self._say(call, up)
        for address, parcel in response.parcels:
            task = asyncio.create_task(self._deliver(address, parcel))
            self._deliveries.add(task)
            task.add_done_callback(self._deliveries.discard)

    async def _deliver(self, address: str, parcel: Parcel) -> None:
        wait_s = min(DELIVERY_TIMEOUT_S, self._node.slot_deadline_s(parcel.slot) / 4)
        receipt = Receipt(False, 0, "not delivered")
        try:
            receipt = await self._host.deliver(address, parcel, wait_s)
        except ProtocolError as error:
            receipt = Receipt(False, 0, safe_text(error))
        finally:  # also when cancelled: nobody may wait for an answer that will not come
            if receipt.accepted:
                self._node.parcel_delivered(parcel)
            else:
                log.info("%s: %s takes no batches: %s", self._node.node_id, parcel.executor, receipt.reason)
                self._node.parcel_failed(parcel)
            self.changed()

    async def _beat(self, call: Any, welcome: Welcome) -> None:
        """Heartbeats until the stream or the lease ends."""
        fence_s = FENCE_FRACTION * welcome.lease_s
        while True:
            await asyncio.sleep(min(welcome.heartbeat_s, fence_s / 2))
            if time.monotonic() - self._heard_at > fence_s:
                self._fenced = True
                self.changed()
                raise _StreamOver(f"nothing heard for {fence_s:g} s")
            await self._say(call, self._node.heartbeat(time.monotonic_ns()))
            await self._send(call, await self._in_turn(lambda: tick(self._node)))

    def _heard(self) -> None:
        self._heard_at = time.monotonic()

    def _lift_fence(self) -> None:
        self._fenced = False
        self.changed()

    def _refused(self, message: DownMessage) -> None:
        if isinstance(message, Refusal) and message.code in FATAL_REFUSALS:
            self._fail(f"{message.code}: {message.reason}")
            return
        said = f"refused, {message.code}: {message.reason}" if isinstance(message, Refusal) else repr(message)
        raise _StreamOver(f"no Welcome but {said}")

    def _fail(self, reason: str) -> None:
        self._failure = reason
        self._fenced = True
        self.changed()


def _brief(error: BaseException) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return f"{type(error).__name__}: {error}"
