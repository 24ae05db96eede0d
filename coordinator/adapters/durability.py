"""Durability before answers: effects are written to the ledger; only then do their messages go to the outboxes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from coordinator.adapters.outboxes import Outboxes
from coordinator.ledger import Ledger
from coordinator.slots.protocol import Effects

log = logging.getLogger(__name__)


class Durability:
    """Commits effects, and wakes those who wait for something to change. ``failed`` is set when the ledger can take no
    more: memory is then ahead of it."""

    def __init__(self, ledger: Ledger, outboxes: Outboxes, clock: Callable[[], float]) -> None:
        self._ledger, self._outboxes, self._clock = ledger, outboxes, clock
        self.failed = asyncio.Event()
        self._changed = asyncio.Condition()

    async def commit(self, effects: Effects) -> None:
        """Wait until the entries, and everything before them, are on disk; then send the messages.

        Call it right after the handler, without an await in between: the ledger keeps the order of the handlers.
        """
        try:
            # An answer without entries of its own may still refer to entries that are on their way, or were lost.
            await asyncio.wrap_future(self._ledger.append(effects.entries))
        except Exception:
            log.critical("the ledger takes no more; stopping, since memory is ahead of it", exc_info=True)
            self.failed.set()
            raise
        for node, message in effects.sends:
            self._outboxes.post(node, message)
        async with self._changed:
            self._changed.notify_all()

    async def until_none(
        self, awaited: Callable[[], tuple[str, ...]], deadline: float, next_expiry: Callable[[], float]
    ) -> None:
        """Wait until no node is ``awaited`` any more or the deadline (on the clock) is over.

        ``next_expiry``: when the next lease ends, which may shorten the list."""
        while awaited():
            now = self._clock()
            if now >= deadline:
                return
            left = min(deadline, next_expiry()) - now
            async with self._changed:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), max(0.001, left))
