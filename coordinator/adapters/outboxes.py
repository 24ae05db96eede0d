"""Messages that wait for nodes, one queue a stream; a node that reads no faster than they come is dropped."""

from __future__ import annotations

import asyncio
import logging

from protos.messages.stream import DownMessage, Refusal

log = logging.getLogger(__name__)

OUTBOX_MESSAGES = 256
"""Messages waiting for one node; a node that reads no faster is dropped, and may come back."""

Outbox = asyncio.Queue[DownMessage | None]
"""None ends the stream."""


def new_outbox() -> Outbox:
    return asyncio.Queue(OUTBOX_MESSAGES)


class Outboxes:
    """The present stream of every connected node."""

    def __init__(self) -> None:
        self._of: dict[str, Outbox] = {}

    def open(self, node: str, outbox: Outbox) -> None:
        """A new stream of ``node``; its older one gets a notice and ends."""
        if (fenced := self._of.get(node)) is not None:
            end(fenced, Refusal("fenced", f"a newer stream of {node} took over"))
        self._of[node] = outbox

    def close(self, node: str, outbox: Outbox) -> None:
        """A stream ended; a newer one of the same node stays."""
        if self._of.get(node) is outbox:
            del self._of[node]

    def post(self, node: str, message: DownMessage) -> None:
        """A node that is not connected gets the message when it reconnects."""
        outbox = self._of.get(node)
        if outbox is None:
            return
        try:
            outbox.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("node %s does not read; its stream is closed", node)
            self._of.pop(node)
            end(outbox)

    def end_all(self) -> None:
        for outbox in self._of.values():
            end(outbox)


def end(outbox: Outbox, last: DownMessage | None = None) -> None:
    """Let the stream end after what waits already (and ``last``); drop the oldest where there is no room."""
    for item in (last, None) if last is not None else (None,):
        if outbox.full():
            outbox.get_nowait()
        outbox.put_nowait(item)
