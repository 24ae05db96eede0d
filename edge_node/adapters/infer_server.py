"""The ``Infer`` stream: outside clients ask, the node's latest global model answers, callers share batches.

Runs on the event loop of the process's host; models run in one thread of their own. What arrives is limited
in size, in number waiting and in streams; a client that breaks the contract loses its stream and disturbs
nobody else's. Nothing received is ever unpickled: tensors are raw bytes with type and shape.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
import grpc.aio
import numpy as np

from edge_node.errors import NodeError, NoModel
from edge_node.node import EdgeNode
from edge_node.serving.batching import Batcher, Waiting
from edge_node.serving.tensors import to_arrays, to_tensors
from edge_node.workload import Arrays
from protos.codec import INFER, ProtocolError, safe_text
from protos.messages import InferAnswer, InferRequest

log = logging.getLogger(__name__)

MAX_STREAMS = 32
"""Infer streams of a process at a time; the next is refused, so that peers' deliveries keep their places."""
MAX_IN_FLIGHT = 64
"""Requests of one stream that may wait for their answer; more are not read."""
QUEUED_BATCHES = 16
"""Full batches that may wait at a node; more are not read."""
IDLE_S = 60.0
"""A stream without a word for so long is closed."""


@dataclass(slots=True)
class _Asked:
    """One request and where its answer goes."""

    request: InferRequest
    arrays: Arrays
    answer: asyncio.Future[InferAnswer]


class NodeQueue:
    """Requests to one node, batched across callers."""

    def __init__(self, node: EdgeNode, workers: ThreadPoolExecutor) -> None:
        inference = node.config.inference
        self.node, self._workers = node, workers
        self.batcher: Batcher[_Asked] = Batcher(
            inference.requests_per_batch,
            inference.max_wait_s,
            QUEUED_BATCHES * inference.requests_per_batch,
        )
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def ask(self, request: InferRequest) -> asyncio.Future[InferAnswer]:
        """Queue a request, waiting for room; its answer comes in the future.

        Raises NoModel when nobody can answer now, ValueError for what the task does not read.
        """
        arrays = to_arrays(request.tensors)
        await asyncio.to_thread(self.node.check_request, arrays)
        examples = len(next(iter(arrays.values())))
        if examples > self.batcher.max_examples:
            raise ValueError(
                f"{examples} examples in a request; allowed are 1 to {self.batcher.max_examples}"
            )
        loop = asyncio.get_running_loop()
        asked = _Asked(request, arrays, loop.create_future())
        kind = tuple((name, arrays[name].dtype.str, arrays[name].shape[1:]) for name in sorted(arrays))
        async with self._changed:
            await self._changed.wait_for(lambda: self.batcher.has_room(examples))
            self.batcher.add(asked, examples, kind, loop.time())
            self._changed.notify_all()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._serve())
        return asked.answer

    async def _serve(self) -> None:
        """Answer batch after batch until nobody waits."""
        loop = asyncio.get_running_loop()
        while (due_s := self.batcher.due_s()) is not None:
            async with self._changed:
                if (left_s := due_s - loop.time()) > 0:
                    # A new request may fill the batch before its time.
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), left_s)
                    continue
                batch = self.batcher.take(loop.time())
                self._changed.notify_all()
            waiting = [one for one in batch if not one.item.answer.done()]  # the others' callers have left
            if waiting:
                await self._answer(waiting)

    async def _answer(self, batch: list[Waiting[_Asked]]) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        joined = {
            name: np.concatenate([one.item.arrays[name] for one in batch]) for name in batch[0].item.arrays
        }
        waited_s = [began_s - one.since_s for one in batch for _ in range(one.examples)]
        wall_s = time.perf_counter()
        try:
            answered = await loop.run_in_executor(self._workers, self.node.answer, joined, waited_s)
        except Exception as error:  # the callers hear of it, whatever it is
            if not isinstance(error, NodeError | ValueError):
                log.exception("%s could not answer a batch", self.node.node_id)
            for one in batch:
                if not one.item.answer.done():
                    one.item.answer.set_exception(error)
            return
        service_s = time.perf_counter() - wall_s
        total, begin, result = sum(one.examples for one in batch), 0, answered.result
        for one in batch:
            end = begin + one.examples
            own = {name: array[begin:end] for name, array in answered.arrays.items()}
            begin = end
            if not one.item.answer.done():
                one.item.answer.set_result(
                    InferAnswer(
                        request_id=one.item.request.request_id,
                        node_id=self.node.node_id,
                        tensors=to_tensors(own),
                        tokens_in=result.input_tokens * one.examples // total,
                        tokens_out=result.tokens * one.examples // total,
                        queue_s=max(0.0, began_s - one.since_s),
                        service_s=service_s,
                        batch_examples=total,
                    )
                )

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()


class InferServer:
    """Handler of Infer streams for the nodes of a process. ``nodes``: those that live here now, by id."""

    def __init__(self, nodes: Callable[[], Mapping[str, EdgeNode]]) -> None:
        self._nodes = nodes
        self._queues: dict[str, NodeQueue] = {}
        self._streams = 0
        self._workers = ThreadPoolExecutor(1, thread_name_prefix="edge-node-infer")

    def handler(self) -> grpc.GenericRpcHandler:
        """To be added to a server. Bytes in, bytes out: the codec judges."""
        method = grpc.stream_stream_rpc_method_handler(self._infer)
        return grpc.method_handlers_generic_handler(INFER.service, {INFER.method: method})

    async def close(self) -> None:
        for queue in self._queues.values():
            queue.stop()
            queue.node.stop_answering()
        self._workers.shutdown(wait=False)

    async def _infer(
        self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[bytes]:
        if self._streams >= MAX_STREAMS:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MAX_STREAMS} streams are served at a time; come again"
            )
        self._streams += 1
        pending: asyncio.Queue[asyncio.Future[InferAnswer] | None] = asyncio.Queue(MAX_IN_FLIGHT)
        reading = asyncio.create_task(self._read(requests, pending))
        asked: list[asyncio.Future[InferAnswer]] = []
        try:
            while (future := await pending.get()) is not None:
                asked.append(future)
                yield INFER.encode_response(await future)
                asked.remove(future)
            await reading
        except ProtocolError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, safe_text(error))
        except NoModel as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, safe_text(error))
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, safe_text(error))
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"no request for {IDLE_S:g} s")
        finally:
            self._streams -= 1
            reading.cancel()
            while not pending.empty():
                if (left := pending.get_nowait()) is not None:
                    asked.append(left)
            for future in asked:  # nobody will read these answers
                future.cancel()

    async def _read(
        self, requests: AsyncIterator[bytes], pending: asyncio.Queue[asyncio.Future[InferAnswer] | None]
    ) -> None:
        """Requests of a stream to the nodes' queues; answers are given in the order asked. Ends with None."""
        iterator = requests.__aiter__()
        try:
            while True:
                try:
                    data = await asyncio.wait_for(iterator.__anext__(), IDLE_S)
                except StopAsyncIteration:
                    return
                request = INFER.decode_request(data)
                await pending.put(await self._queue(request.node_id).ask(request))
        finally:
            await pending.put(None)

    def _queue(self, node_id: str) -> NodeQueue:
        nodes = self._nodes()
        if not node_id and len(nodes) == 1:
            node_id = next(iter(nodes))
        if node_id not in nodes:
            raise ValueError(f"node {node_id!r} does not live here; nodes are {', '.join(sorted(nodes))}")
        queue = self._queues.get(node_id)
        if queue is None or queue.node is not nodes[node_id]:
            if queue is not None:
                queue.stop()
            queue = self._queues[node_id] = NodeQueue(nodes[node_id], self._workers)
        return queue
