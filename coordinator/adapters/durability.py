"""Durability before answers: effects are written to the ledger; only then do their messages go to the outboxes.

What handlers do while the disk is busy, or so soon after the last write that more will come, is written together
afterwards, in their order: one submission, one sync, one acknowledgement of messages that follow each other. A call of
the runner that waits for nodes goes on as soon as the last of them is taken up; what it does then is written together
with that node's record, behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future

from coordinator.adapters.outboxes import Outboxes
from coordinator.ledger import Ledger
from coordinator.slots.protocol import Effects
from protos.messages.stream import Ack, DownMessage

log = logging.getLogger(__name__)

Awaited = Callable[[Sequence[str] | None], tuple[str, ...]]
"""Nodes that are waited for: among these, or (None) among all."""
GATHER_S = 0.004
"""What nodes send so soon after a write began is written together; while a call of the runner waits for nodes, so soon
after the first of it came, or with what the call does once it goes on (choice: some times what a sync takes)."""


class _Watch:
    """A call of the runner that waits for nodes."""

    def __init__(self, is_over: Callable[[], bool]) -> None:
        """``is_over``: whether there is something to look at, after a message was taken up."""
        self._is_over = is_over
        self._woken: asyncio.Future[None] | None = None
        self.is_waking = False
        """Told, and not going on yet."""

    def look(self) -> None:
        """A message was taken up."""
        if self._woken is not None and not self._woken.done() and self._is_over():
            self._woken.set_result(None)
            self.is_waking = True

    async def wait(self, longest_s: float) -> None:
        """Until there is something to look at, or the time is over."""
        loop = asyncio.get_running_loop()
        self._woken = woken = loop.create_future()
        timer = loop.call_later(longest_s, _done, woken)
        try:
            await woken
        finally:
            timer.cancel()
            self._woken, self.is_waking = None, False


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Durability:
    """Commits effects, and wakes those who wait for something to change. ``failed`` is set when the ledger can take no
    more: memory is then ahead of it."""

    def __init__(
        self,
        ledger: Ledger,
        outboxes: Outboxes,
        clock: Callable[[], float],
        leaving: Callable[[DownMessage], DownMessage] = lambda message: message,
    ) -> None:
        """``leaving``: what becomes of a message at the moment it is sent."""
        self._ledger, self._outboxes, self._clock, self._leaving = ledger, outboxes, clock, leaving
        self.failed = asyncio.Event()
        self._waiting: list[Effects] = []
        self._of_waiting: asyncio.Future[None] | None = None
        self._is_writing = False
        """From the first of a group until it is on disk."""
        self._gathering: asyncio.TimerHandle | None = None
        """The group's write, where it waits for more."""
        self._began_at = float("-inf")
        self._is_awaited = False
        """Whether somebody waits for the group that is gathered."""
        self._watches: list[_Watch] = []

    def submit(self, effects: Effects) -> asyncio.Future[None]:
        """Take up effects, to be written with others. The future, which they share, is done once the entries and
        everything before them are on disk and the messages are sent; it raises what the ledger raised. Shield it.

        Call it right after the handler, without an await in between: the ledger keeps the order of the handlers.
        """
        loop = asyncio.get_running_loop()
        for watch in self._watches:
            watch.look()
        if not (effects.entries or self._is_writing or self.failed.is_set()):
            return self._send(effects)
        if self._of_waiting is None:
            self._of_waiting = loop.create_future()
            # Not everybody waits for it; the log and ``failed`` tell of an error.
            self._of_waiting.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiting.append(effects)
        if not self._is_writing:
            self._is_writing = True
            self._write_soon(loop)
        return self._of_waiting

    def _send(self, effects: Effects) -> asyncio.Future[None]:
        """Send messages of a handler that changed nothing, where nothing before it is on its way to the disk either."""
        for node, message in _told([effects]):
            self._outboxes.post(node, self._leaving(message))
        sent = asyncio.get_running_loop().create_future()
        sent.set_result(None)
        return sent

    async def commit(self, effects: Effects) -> None:
        """``submit``, and wait; so it is written as soon as the disk is free."""
        written = self.submit(effects)
        if written.done():  # nothing had to be written
            return
        self._is_awaited = True
        self._write_gathered()
        await asyncio.shield(written)

    async def settled(self) -> None:
        """Wait until nothing is being written; without regard to whether it could be."""
        while self._is_writing:
            with contextlib.suppress(Exception):
                await self.commit(Effects())

    async def until_none(self, awaited: Awaited, deadline: float, next_expiry: Callable[[], float]) -> None:
        """Wait until no node is ``awaited`` any more or the deadline (on the clock) is over.

        ``next_expiry``: when the next lease ends, which may shorten the list."""
        # As long as one node is waited for that was before, nothing is asked of the others: to ask all at every change
        # would make a slot's cost grow with the square of its nodes.
        one: tuple[str, ...] = ()
        expiry = next_expiry()
        watch = _Watch(lambda: expiry == math.inf or not awaited(one))
        self._watches.append(watch)
        try:
            while (one and awaited(one)) or (one := awaited(None)[-1:]):
                now = self._clock()
                if now >= deadline:
                    return
                if now >= expiry or expiry == math.inf:
                    # Leases are equally long and are renewed: until the first of them ends, none does.
                    expiry = next_expiry()
                await watch.wait(max(0.001, min(deadline, expiry) - now))
        finally:
            self._watches.remove(watch)

    def _write_gathered(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._write()

    def _write_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Write once everything that has arrived is taken up; once more has come where that is likely."""
        left_s = GATHER_S if self._watches else self._began_at + GATHER_S - loop.time()
        if left_s > 0 and not self._is_awaited:
            self._gathering = loop.call_later(left_s, self._write)
        else:
            loop.call_soon(self._write)

    def _write(self) -> None:
        """Hand over what waits. An answer without entries of its own may refer to entries that are on their way, or
        were lost: it waits for the ledger too."""
        loop = asyncio.get_running_loop()
        if any(watch.is_waking for watch in self._watches):
            self._gathering = loop.call_later(0.0, self._write)
            return
        group, done = self._waiting, self._of_waiting
        assert done is not None
        self._waiting, self._of_waiting = [], None
        self._gathering, self._is_awaited = None, False
        self._began_at = loop.time()
        try:
            written = self._ledger.append([entry for effects in group for entry in effects.entries])
        except Exception as error:
            self._end(group, done, error)
            return

        def tell(result: Future[int]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and its tasks with it
                loop.call_soon_threadsafe(self._end, group, done, result.exception())

        written.add_done_callback(tell)

    def _end(self, group: list[Effects], done: asyncio.Future[None], error: BaseException | None) -> None:
        if error is not None:
            if not self.failed.is_set():
                log.critical(
                    "the ledger takes no more; stopping, since memory is ahead of it", exc_info=error
                )
            self.failed.set()
            done.set_exception(error)
        else:
            for node, message in _told(group):
                self._outboxes.post(node, self._leaving(message))
            done.set_result(None)
        if self._waiting:
            self._write_soon(asyncio.get_running_loop())
        else:
            self._is_writing = False
            self._outboxes.tell_late()


def _told(group: Sequence[Effects]) -> Iterator[tuple[str, DownMessage]]:
    """Messages of a group. Of acknowledgements to a node that follow each other only the last, which holds for all."""
    last: dict[str, Ack] = {}
    for effects in group:
        for node, message in effects.sends:
            if isinstance(message, Ack):
                last[node] = message
                continue
            if (ack := last.pop(node, None)) is not None:
                yield node, ack
            yield node, message
    yield from last.items()
