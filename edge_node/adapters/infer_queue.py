"""Requests of outside clients to one node, batched across callers, answered by its latest global model.

Runs on the event loop of the process's host; models run in a thread of their own. What waits is limited: a caller
whose request finds no room waits for it, and is not read meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from edge_node.serving.batching import Batcher, Waiting
from edge_node.serving.tensors import to_arrays, to_tensors
from edge_node.slots.errors import NodeError
from edge_node.slots.node import EdgeNode
from edge_node.workload import Arrays
from protos.messages.inference import InferAnswer, InferRequest

log = logging.getLogger(__name__)

QUEUED_BATCHES = 16
"""Full batches that may wait at a node; more are not read."""


@dataclass(slots=True)
class _Asked:
    """One request and where its answer goes."""

    request_id: str
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

        Raises NoModel when the node cannot answer now, ValueError for what the task does not read.
        """
        arrays = to_arrays(request.tensors)
        await asyncio.to_thread(self.node.check_request, arrays)
        examples = len(next(iter(arrays.values())))
        if examples > self.batcher.max_examples:
            raise ValueError(
                f"{examples} examples in a request; allowed are 1 to {self.batcher.max_examples}"
            )
        loop = asyncio.get_running_loop()
        asked = _Asked(request.request_id, arrays, loop.create_future())
        kind = tuple((name, arrays[name].dtype.str, arrays[name].shape[1:]) for name in sorted(arrays))
        async with self._changed:
            await self._changed.wait_for(lambda: self.batcher.has_room(examples))
            self.batcher.add(asked, examples, kind, loop.time())
            self._changed.notify_all()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._serve())
        return asked.answer

    async def _serve(self) -> None:
        """Answer batch after batch until no request waits."""
        loop = asyncio.get_running_loop()
        while True:
            async with self._changed:
                # Looked at in its turn: a request that comes before that is seen, one that comes later wakes it.
                if (due_s := self.batcher.due_s()) is None:
                    return
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
        except Exception as error:  # every error goes to the callers
            if not isinstance(error, NodeError | ValueError):
                log.exception("%s could not answer a batch", self.node.node_id)
            error.__traceback__ = None  # its frames hold the batch, and through it this very error
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
                        request_id=one.item.request_id,
                        node_id=self.node.node_id,
                        tensors=to_tensors(own),
                        tokens_in=result.input_tokens * one.examples // total,
                        tokens_out=result.output_tokens * one.examples // total,
                        queue_s=max(0.0, began_s - one.since_s),
                        service_s=service_s,
                        batch_examples=total,
                    )
                )

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
