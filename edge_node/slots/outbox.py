"""Outbox: messages kept until the coordinator has them, and the fence below which no decision is executed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Protocol

from protos.messages.slot import Settlement, Telemetry, Usage
from protos.messages.stream import UpMessage


class Outbox(Protocol):
    """Messages by sequence number, and the highest (epoch, slot) accepted."""

    def together(self) -> AbstractContextManager[None]:
        """A block whose changes are kept together when it ends, or not at all where it raises. May be nested."""
        ...

    def next_seq(self) -> int:
        """A number above all given before."""
        ...

    def put(self, seq: int, message: UpMessage) -> None:
        """Keep ``message`` until it is acknowledged."""
        ...

    def remove(self, seq: int) -> None:
        """Drop one message that another replaces."""
        ...

    def acknowledge(self, seq: int) -> None:
        """Everything up to ``seq`` is committed."""
        ...

    def pending(self) -> tuple[UpMessage, ...]:
        """Messages not acknowledged, in order."""
        ...

    @property
    def last_seq(self) -> int: ...

    @property
    def fence(self) -> tuple[int, int] | None:
        """Highest (epoch, slot) accepted so far."""
        ...

    def raise_fence(self, epoch: int, slot: int) -> None:
        """Persist (epoch, slot) before it is executed."""
        ...


class MemoryOutbox:
    """Survives a broken stream, not the process: for fleets whose processes share the coordinator's fate."""

    def __init__(self) -> None:
        self._messages: dict[int, UpMessage] = {}
        self._seq = 0
        self._fence: tuple[int, int] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        before = dict(self._messages), self._seq, self._fence
        try:
            yield
        except BaseException:
            self._messages, self._seq, self._fence = before
            raise

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def put(self, seq: int, message: UpMessage) -> None:
        self._messages[seq] = message

    def remove(self, seq: int) -> None:
        self._messages.pop(seq, None)

    def acknowledge(self, seq: int) -> None:
        self._messages = {key: message for key, message in self._messages.items() if key > seq}

    def pending(self) -> tuple[UpMessage, ...]:
        return tuple(self._messages[key] for key in sorted(self._messages))

    @property
    def last_seq(self) -> int:
        return self._seq

    @property
    def fence(self) -> tuple[int, int] | None:
        return self._fence

    def raise_fence(self, epoch: int, slot: int) -> None:
        self._fence = max(self._fence or (epoch, slot), (epoch, slot))


def relabel(outbox: Outbox, boot_id: str) -> None:
    """Readings that the boot before could not deliver are this boot's to deliver, under numbers of its own.

    The coordinator takes one reading per node and slot, so that none is booked twice.
    """
    for message in outbox.pending():
        if isinstance(message, Usage | Settlement):
            fresh = replace(message, boot_id=boot_id, seq=outbox.next_seq())
            outbox.put(fresh.seq, fresh)
            outbox.remove(message.seq)
        elif isinstance(message, Telemetry):
            outbox.remove(message.seq)
