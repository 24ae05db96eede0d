"""Dynamic batching of requests whose future is not known: first come, first served, none waits for others
longer than ``max_wait_s``.

Event-driven and without a clock of its own: its caller gives the time. ``arrivals.cut_batches`` is
the same rule for requests that are known beforehand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Waiting(Generic[T]):
    """One request in the queue."""

    item: T
    examples: int
    kind: Hashable
    """Only requests of one kind (tensor names, types, shapes) can share a batch."""
    since_s: float


class Batcher(Generic[T]):
    """Queue of requests. ``max_examples`` a batch, ``max_wait_s`` for others, ``max_queued`` examples in all."""

    def __init__(self, max_examples: int, max_wait_s: float, max_queued: int) -> None:
        if max_examples < 1 or not max_wait_s >= 0 or max_queued < max_examples:
            raise ValueError(
                f"max_examples {max_examples}, max_wait_s {max_wait_s}, max_queued {max_queued}; allowed are "
                "at least 1, at least 0, at least max_examples"
            )
        self.max_examples, self.max_wait_s, self.max_queued = max_examples, max_wait_s, max_queued
        self._queues: dict[Hashable, deque[Waiting[T]]] = {}
        self._queued = 0

    @property
    def queued(self) -> int:
        """Examples that wait."""
        return self._queued

    def has_room(self, examples: int) -> bool:
        """Whether that many more examples may wait."""
        return self._queued + examples <= self.max_queued

    def add(self, item: T, examples: int, kind: Hashable, now_s: float) -> None:
        """A request came. Raises ValueError when it is larger than a batch, or there is no room."""
        if not 1 <= examples <= self.max_examples:
            raise ValueError(f"request of {examples} examples; allowed are 1 to {self.max_examples}")
        if not self.has_room(examples):
            raise ValueError(f"{self._queued} examples wait, {self.max_queued} may; ask has_room() first")
        self._queues.setdefault(kind, deque()).append(Waiting(item, examples, kind, now_s))
        self._queued += examples

    def take(self, now_s: float) -> list[Waiting[T]]:
        """The batch that is due and whose first request has waited longest; [] when none is due."""
        due = [queue for queue in self._queues.values() if now_s >= self._due_s(queue)]
        if not due:
            return []
        queue = min(due, key=lambda queue: queue[0].since_s)
        batch: list[Waiting[T]] = []
        examples = 0
        while queue and examples + queue[0].examples <= self.max_examples:
            batch.append(queue.popleft())
            examples += batch[-1].examples
        if not queue:
            del self._queues[batch[0].kind]
        self._queued -= examples
        return batch

    def due_s(self) -> float | None:
        """When the next batch is due; None when no request waits."""
        return min((self._due_s(queue) for queue in self._queues.values()), default=None)

    def _due_s(self, queue: deque[Waiting[T]]) -> float:
        # A batch that the next request would overflow is as full as it gets.
        examples = 0
        for waiting in queue:
            examples += waiting.examples
            if examples >= self.max_examples:
                return waiting.since_s
        return queue[0].since_s + self.max_wait_s
