"""The ``Infer`` stream: outside clients ask, the node's latest global model answers, callers share batches.

A server of its own, apart from the one through which nodes deliver batches to each other: outside clients never share
limits, connections or places with peers. What arrives is limited in connections, streams, size and number waiting,
and nothing is decompressed: a flood of any content and length costs some tens of MB. A client that breaks
the contract loses its stream and disturbs no other stream. Nothing received is ever unpickled: tensors are raw bytes
with type and shape.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
import grpc.aio

from edge_node.adapters.infer_queue import NodeQueue
from edge_node.slots.errors import NoModel
from edge_node.slots.node import EdgeNode
from protos.access.guard import Guard
from protos.codec import INFER, MAX_INFER_BYTES, safe_text
from protos.messages.inference import InferAnswer
from protos.wire import NO_DECOMPRESSION, SEVERAL_NODES

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
"""Open connections to the Infer port of a process; the next is closed at once."""
MAX_STREAMS = 32
"""Infer streams of a process at a time; the next is refused."""
MAX_IN_FLIGHT = 64
"""Requests of one stream that may wait for their answer; more are not read."""
IDLE_S = 60.0
"""A stream that sends nothing for so long, or whose answers are not taken for so long, is closed."""
WINDOW_BYTES = 64 * 1024
"""HTTP/2 flow control: what a connection may send ahead of being read, the least the protocol allows."""
SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_INFER_BYTES + 4096),
    ("grpc.max_concurrent_streams", MAX_STREAMS),
    ("grpc.max_allowed_incoming_connections", MAX_CONNECTIONS),
    ("grpc.max_connection_idle_ms", int(IDLE_S * 1000)),
    ("grpc.max_metadata_size", 8 * 1024),
    ("grpc.http2.lookahead_bytes", WINDOW_BYTES),
    ("grpc.http2.bdp_probe", 0),  # it would widen the window of a client that sends much
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    NO_DECOMPRESSION,
    ("grpc.so_reuseport", 0),
)


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why a stream ends before its client ends it."""

    code: grpc.StatusCode
    reason: str


_Next = asyncio.Future[InferAnswer] | _Refused | None
"""What a stream sends next; None: nothing is left to send."""


def _refused(error: Exception, late: str) -> _Refused:
    """``late``: what a TimeoutError means."""
    if isinstance(error, TimeoutError):
        return _Refused(grpc.StatusCode.DEADLINE_EXCEEDED, late)
    code = (
        grpc.StatusCode.FAILED_PRECONDITION
        if isinstance(error, NoModel)
        else grpc.StatusCode.INVALID_ARGUMENT
    )
    return _Refused(code, safe_text(error))


class InferServer:
    """Server of Infer streams for the nodes of a process.

    Args:
        nodes: Those that live here now, by id.
        guard: Who may ask: any caller that it lets in.
    """

    def __init__(
        self,
        nodes: Callable[[], Mapping[str, EdgeNode]],
        guard: Guard,
    ) -> None:
        self._nodes = nodes
        self._guard = guard
        self._queues: dict[str, NodeQueue] = {}
        self._streams = 0
        self._workers = ThreadPoolExecutor(1, thread_name_prefix="edge-node-infer")
        self._server: grpc.aio.Server | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen; port 0 takes a free one. Returns host:port. Raises OSError when the address is taken."""
        # One place beyond the streams served, so that the next one gets the reason of its refusal.
        server = grpc.aio.server(options=SERVER_OPTIONS, maximum_concurrent_rpcs=MAX_STREAMS + 1)
        method = grpc.stream_stream_rpc_method_handler(self._infer)  # bytes in, bytes out: the codec judges
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(INFER.service, {INFER.method: method}),)
        )
        try:
            address = self._guard.listen(server, host, port)
        except OSError as error:
            raise OSError(f"Infer: {error}; choose another infer_port") from error
        await server.start()
        self._server = server
        return address

    async def close(self) -> None:
        """Refuse and end everything. May be called twice."""
        if self._server is not None:
            await self._server.stop(grace=0.2)
            self._server = None
        for queue in self._queues.values():
            queue.stop()
            queue.node.stop_answering()
        self._workers.shutdown(wait=False)

    async def _infer(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> None:
        if self._streams >= MAX_STREAMS:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MAX_STREAMS} streams are served at a time; come again"
            )
        await self._guard.caller(context)
        self._streams += 1
        pending: asyncio.Queue[_Next] = asyncio.Queue(MAX_IN_FLIGHT)
        reading = asyncio.create_task(self._read(requests, pending))
        try:
            refused = await self._answer(pending, context)
        finally:
            self._streams -= 1
            reading.cancel()
            while not pending.empty():  # these answers will not be read
                if isinstance(left := pending.get_nowait(), asyncio.Future):
                    left.cancel()
        if refused is not None:
            await context.abort(refused.code, refused.reason)

    async def _answer(
        self, pending: asyncio.Queue[_Next], context: grpc.aio.ServicerContext
    ) -> _Refused | None:
        """Answers in the order asked; ends with why there are no more, None when all is answered."""
        while True:
            following = await pending.get()
            if not isinstance(following, asyncio.Future):
                return following
            try:
                data = INFER.encode_response(await following)
                # A client that asks and takes no answers would keep its place without end.
                await asyncio.wait_for(context.write(data), IDLE_S)
            except (NoModel, ValueError, TimeoutError) as error:
                return _refused(error, f"answers were not taken for {IDLE_S:g} s")
            finally:
                following.cancel()

    async def _read(self, requests: AsyncIterator[bytes], pending: asyncio.Queue[_Next]) -> None:
        """Requests of a stream to the nodes' queues. Ends with None, or with why no more are read.

        Errors become values here: one that travelled on would keep the request that caused it, through its frames
        and the task they belong to, until the garbage collector comes by.
        """
        end: _Refused | None = None
        iterator = requests.__aiter__()
        try:
            while True:
                request = INFER.decode_request(await asyncio.wait_for(iterator.__anext__(), IDLE_S))
                await pending.put(await self._queue(request.node_id).ask(request))
                del request
        except StopAsyncIteration:
            pass
        except (NoModel, ValueError, TimeoutError) as error:
            end = _refused(error, f"no request for {IDLE_S:g} s")
        except Exception:  # a defect of ours must end the stream, not leave it waiting
            log.exception("an Infer stream could not be read")
            end = _Refused(grpc.StatusCode.INTERNAL, "the request could not be read; see the node's log")
        await pending.put(end)

    def _queue(self, node_id: str) -> NodeQueue:
        nodes = self._nodes()
        if not node_id and len(nodes) == 1:
            node_id = next(iter(nodes))
        if not node_id and nodes:
            raise ValueError(SEVERAL_NODES + ", ".join(sorted(nodes)))
        if node_id not in nodes:
            raise ValueError(f"node {node_id!r} does not live here; nodes are {', '.join(sorted(nodes))}")
        queue = self._queues.get(node_id)
        if queue is None or queue.node is not nodes[node_id]:
            if queue is not None:
                queue.stop()
            queue = self._queues[node_id] = NodeQueue(nodes[node_id], self._workers)
        return queue
