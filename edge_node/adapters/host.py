"""What the nodes of one process share: event loop, worker threads, servers and channels.

One thread with one event loop carries the streams of all nodes of a process, their heartbeats, the batch-transfer
server and all deliveries. Node logic runs in a few worker threads: no node's packing delays another's heartbeat.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Coroutine, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import grpc
import grpc.aio

from edge_node.adapters.batch_transfer import CHANNEL_OPTIONS, PeerClient, PeerServer
from edge_node.adapters.beats import Beats
from edge_node.adapters.infer_server import InferServer
from edge_node.slots.link import LinkError
from edge_node.slots.node import EdgeNode
from protos.access.calls import Calls
from protos.access.config import COORDINATOR, Access
from protos.access.guard import Guard
from protos.codec import MAX_STREAM_BYTES
from protos.messages.parcels import Parcel, ParcelHead, Receipt
from protos.wire import proxy_options

T = TypeVar("T")


def not_here(node_id: str) -> Receipt:
    return Receipt(False, 0, f"{node_id} does not live here")


class Attached(Protocol):
    """A node of this process, as its host sees it."""

    @property
    def node(self) -> EdgeNode: ...

    def changed(self) -> None:
        """Something happened to the node."""
        ...

    def heard(self) -> None:
        """The coordinator has heard of the node, and says so on another node's stream. On the loop only."""
        ...

    def close(self) -> None:
        """The host closes."""
        ...


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
        access: Access | None = None,
        workers: int = 4,
    ) -> None:
        """``access``: the certificate of these nodes, or the run's secret."""
        self._peer_host, self._peer_port, self._infer_port = peer_host, peer_port, infer_port
        self.calls, guard = Calls(access or Access()), Guard(access or Access())
        self._infer = InferServer(
            lambda: {node_id: link.node for node_id, link in self._links.items()}, guard
        )
        self.peers = PeerServer(self._refuse_parcel, self._receive_parcel, guard)
        self._client: PeerClient | None = None
        self._links: dict[str, Attached] = {}
        self._coordinators: dict[str, grpc.aio.Channel] = {}
        self._streams: Counter[grpc.aio.Channel] = Counter()
        """Streams on each channel to a coordinator."""
        self.beats = Beats()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="edge-node")
        self.address = ""
        """host:port of the batch-transfer server once started."""
        self.infer_address = ""
        """host:port at which outside clients ask the nodes of this process, once started."""

    def start(self) -> GrpcHost:
        """Start loop and server. Raises OSError when the peer address cannot be bound, ValueError when it is beyond
        loopback and there are no certificates."""
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
        self._client = PeerClient(self.calls)
        peers = await self.peers.start(self._peer_host, self._peer_port)
        return peers, await self._infer.start(self._peer_host, self._infer_port)

    def enter(self, link: Attached) -> None:
        """Take parcels for the link's node from now on. Raises LinkError for a node that is here already."""
        if self._links.setdefault(link.node.node_id, link) is not link:
            raise LinkError(f"node {link.node.node_id} is attached already")

    def leave(self, link: Attached) -> None:
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
        """Channel to a coordinator for one stream, shared by all nodes of the process. ``release`` it. On the loop
        only."""
        channel = self._channel(address)
        self._streams[channel] += 1
        return channel

    async def release(self, address: str, channel: grpc.aio.Channel, is_silent: bool) -> None:
        """A stream has ended. Of a channel on which nothing is heard any more the next stream is not opened: TCP, which
        sends again ever more seldom, would need seconds to notice that the way is free."""
        self._streams[channel] -= 1
        if is_silent and self._coordinators.get(address) is channel:
            del self._coordinators[address]
        if not self._streams[channel] and channel not in self._coordinators.values():
            del self._streams[channel]
            await channel.close(None)

    async def pause(self, address: str, most_s: float) -> None:
        """Wait ``most_s``, or until a channel that is not connected is."""
        channel = self._channel(address)
        state = channel.get_state(try_to_connect=True)
        if state is grpc.ChannelConnectivity.READY:
            await asyncio.sleep(most_s)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                while state is not grpc.ChannelConnectivity.READY:
                    await channel.wait_for_state_change(state)
                    state = channel.get_state(try_to_connect=True)

    def _channel(self, address: str) -> grpc.aio.Channel:
        if address not in self._coordinators:
            options = (
                *CHANNEL_OPTIONS,
                *proxy_options(address),
                ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection
                ("grpc.max_receive_message_length", MAX_STREAM_BYTES + 4096),
            )
            self._coordinators[address] = self.calls.aio_channel(address, COORDINATOR, options)
        return self._coordinators[address]

    def heard(self, node_ids: Iterable[str]) -> None:
        """The coordinator has heard of these nodes. On the loop only."""
        for node_id in node_ids:
            if (link := self._links.get(node_id)) is not None:
                link.heard()

    async def deliver(self, address: str, parcel: Parcel, timeout_s: float) -> Receipt:
        """Deliver a parcel to a peer; an empty address means a node of this process."""
        if not address:
            return await asyncio.to_thread(self._receive_parcel, parcel)
        assert self._client is not None
        return await self._client.deliver(address, parcel, timeout_s)

    def _refuse_parcel(self, head: ParcelHead) -> Receipt | None:
        link = self._links.get(head.executor)
        return not_here(head.executor) if link is None else link.node.refuse_parcel(head)

    def _receive_parcel(self, parcel: Parcel) -> Receipt:
        link = self._links.get(parcel.executor)
        if link is None:
            return not_here(parcel.executor)
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

    async def _shut_down(self) -> None:
        await self.peers.stop()
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
