"""Messages that wait for nodes, one queue a stream; a node that reads no faster than they come is dropped.

An acknowledgement holds for everything before it: a node that is told more often than it needs is told less often.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from protos.messages.stream import Ack, DownMessage, Refusal, Welcome

log = logging.getLogger(__name__)

OUTBOX_MESSAGES = 256
"""Messages waiting for one node; a node that reads no faster is dropped, and may come back."""
HELD_S = 0.05
"""Acknowledgements of a node follow each other no sooner, unless something else is said to it meanwhile (choice: far
below a heartbeat)."""
HELD_MESSAGES = 16
"""A node with so many messages to be acknowledged is told at once: half of what it may have on its way
(coordinator.adapters.attendance.UNWRITTEN)."""

Outbox = asyncio.Queue[DownMessage | None]
"""None ends the stream."""


def new_outbox() -> Outbox:
    return asyncio.Queue(OUTBOX_MESSAGES)


@dataclass(slots=True)
class _Stream:
    """A node's present stream, and the acknowledgement that waits for it."""

    outbox: Outbox
    told_seq: int = 0
    told_at: float = float("-inf")
    held: Ack | None = None


class Outboxes:
    """The present stream of every connected node."""

    def __init__(self) -> None:
        self._of: dict[str, _Stream] = {}
        self._late: dict[str, _Stream] = {}
        """Those with an acknowledgement that waits."""
        self._telling: asyncio.TimerHandle | None = None

    def open(self, node: str, outbox: Outbox) -> None:
        """A new stream of ``node``; its older one gets a notice and ends."""
        if (fenced := self._of.get(node)) is not None:
            end(fenced.outbox, Refusal("fenced", f"a newer stream of {node} took over"))
        self._of[node] = _Stream(outbox)

    def close(self, node: str, outbox: Outbox) -> None:
        """A stream ended; a newer one of the same node stays."""
        if (stream := self._of.get(node)) is not None and stream.outbox is outbox:
            del self._of[node]

    def post(self, node: str, message: DownMessage) -> None:
        """A node that is not connected gets the message when it reconnects."""
        stream = self._of.get(node)
        if stream is None:
            return
        if isinstance(message, Ack):
            self._acknowledge(node, stream, message)
            return
        if stream.held is not None and not isinstance(message, Welcome):
            self._put(node, stream, stream.held)
        stream.held = None
        self._put(node, stream, message)

    def end_all(self) -> None:
        self.tell_late()
        for stream in self._of.values():
            end(stream.outbox)

    def _acknowledge(self, node: str, stream: _Stream, ack: Ack) -> None:
        loop = asyncio.get_running_loop()
        if ack.seq - stream.told_seq >= HELD_MESSAGES or loop.time() - stream.told_at >= HELD_S:
            stream.held = None
            self._put(node, stream, ack)
            return
        stream.held = ack
        if not self._late:
            self._telling = loop.call_later(HELD_S, self.tell_late)
        self._late[node] = stream

    def tell_late(self) -> None:
        """Say what is held: it is late, or nothing follows it for now."""
        if self._telling is not None:
            self._telling.cancel()
        late, self._late, self._telling = self._late, {}, None
        for node, stream in late.items():
            if stream.held is not None and self._of.get(node) is stream:
                held, stream.held = stream.held, None
                self._put(node, stream, held)

    def _put(self, node: str, stream: _Stream, message: DownMessage) -> None:
        if isinstance(message, Ack):
            stream.told_seq, stream.told_at = message.seq, asyncio.get_running_loop().time()
        try:
            stream.outbox.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("node %s does not read; its stream is closed", node)
            if self._of.get(node) is stream:
                del self._of[node]
            end(stream.outbox)


def end(outbox: Outbox, last: DownMessage | None = None) -> None:
    """Let the stream end after what waits already (and ``last``); drop the oldest where there is no room."""
    for item in (last, None) if last is not None else (None,):
        if outbox.full():
            outbox.get_nowait()
        outbox.put_nowait(item)
