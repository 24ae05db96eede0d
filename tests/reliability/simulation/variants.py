"""Deliberately broken variants of the product, each with one part patched: the simulation must notice every one
of them.

A variant is a context: while it is entered, the part is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from coordinator.adapters.durability import Durability
from coordinator.ledger.entry import Kind
from coordinator.ledger.store import Ledger
from coordinator.slots.books import Books
from coordinator.slots.intake import Intake
from coordinator.slots.protocol import Effects, Refused
from coordinator.slots.service import CoordinatorService
from coordinator.slots.sessions import Sessions
from coordinator.slots.state import Phase, SlotState, Standing
from edge_node.adapters.sqlite_outbox import SqliteOutbox
from edge_node.slots import registration
from edge_node.slots.phases import Phase as NodePhase
from edge_node.slots.reading import Reading
from edge_node.slots.settlement import Settling
from protos.messages.stream import Ack

Variant = Callable[[], AbstractContextManager[None]]
VARIANTS: dict[str, Variant] = {}


def _variant(owner: type, method: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """``make(original)`` gives the broken method; the variant is named like ``make``."""

    def enter(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @contextmanager
        def broken() -> Iterator[None]:
            with patch.object(owner, method, make(getattr(owner, method))):
                yield

        VARIANTS[make.__name__.replace("_", "-")] = broken
        return make

    return enter


@_variant(Durability, "submit")
def acknowledge_before_commit(original: Any) -> Any:
    def submit(self: Durability, effects: Effects) -> Any:
        for node, message in effects.sends:
            self._outboxes.post(node, message)
        return original(self, Effects(effects.entries))

    return submit


@_variant(Ledger, "append")
def commit_answered_when_queued(original: Any) -> Any:
    def append(self: Ledger, entries: Any) -> Any:
        done = original(self, entries)
        written = type(done)()
        written.set_result(len(entries))
        return written

    return append


@_variant(Ledger, "_write_group")
def commit_reordered(original: Any) -> Any:
    return lambda self, group: original(self, [replace(s, entries=s.entries[::-1]) for s in group[::-1]])


@_variant(CoordinatorService, "start")
def epoch_not_raised_durably(original: Any) -> Any:
    def start(self: CoordinatorService) -> Effects:
        effects = original(self)
        return effects if self.books.epoch == 1 else Effects()

    return start


@_variant(CoordinatorService, "_replay")
def recovery_skips_a_booking(original: Any) -> Any:
    return lambda self, entry: None if entry.kind is Kind.BOOKING else original(self, entry)


@_variant(Sessions, "renew")
def lease_never_ends(original: Any) -> Any:
    def renew(self: Sessions, node: str) -> None:
        self._current[node].lease_until = float("inf")

    return renew


@_variant(Books, "enter")
def settlement_without_usage(original: Any) -> Any:
    """A reading is taken up and not written."""

    def enter(self: Books, entries: Any) -> Effects:
        effects = original(self, entries)
        return Effects(tuple(e for e in effects.entries if e.kind is not Kind.USAGE), effects.sends)

    return enter


@_variant(SlotState, "count")
def batches_not_deduplicated(original: Any) -> Any:
    """A batch that two nodes ran counts twice."""

    def count(self: SlotState, usage: Any) -> int:
        wasted = original(self, usage)
        for executed in usage.executed:
            self.counted[executed.owner] += wasted
        return 0

    return count


@_variant(SlotState, "traded")
def transfer_duplicated(original: Any) -> Any:
    return lambda self, outcome: original(self, [*outcome, *outcome])


@_variant(Intake, "_usage")
def late_reading_refused(original: Any) -> Any:
    def usage(self: Intake, message: Any, entry: Any) -> Any:
        if self._slot_of(message).phase is Phase.ENDED:
            raise Refused("repeated", "too late")
        return original(self, message, entry)

    return usage


@_variant(Intake, "_settlement")
def booked_by_estimate_and_again(original: Any) -> Any:
    def settlement(self: Intake, message: Any, entry: Any) -> Any:
        slot = self._slot_of(message)
        if slot.standing.get(message.node_id) is Standing.BOOKED:
            slot.standing[message.node_id] = Standing.METERED
        return original(self, message, entry)

    return settlement


@_variant(Intake, "_ack")
def acknowledges_one_too_many(original: Any) -> Any:
    def ack(self: Intake, node: str, seq: int) -> Ack:
        right = original(self, node, seq)
        return replace(right, seq=right.seq + 1)

    return ack


@_variant(SqliteOutbox, "raise_fence")
def fence_not_persisted(original: Any) -> Any:
    """The node executes what it has not written down."""

    def raise_fence(self: SqliteOutbox, epoch: int, slot: int) -> None:
        self._state.update(epoch=epoch, slot=slot)

    return raise_fence


@_variant(Reading, "close")
def meter_read_again(original: Any) -> Any:
    """A repeated question gives a new reading, after the meter went on."""

    def close(self: Reading, close: Any) -> Any:
        usage = original(self, close)
        slot = self._node.find(close.slot)
        if slot is not None and slot.usage is usage:
            lines = tuple(replace(line, energy_uj=line.energy_uj + 1) for line in usage.lines)
            slot.usage = replace(usage, lines=lines)
        return usage

    return close


@_variant(Settling, "settle")
def grant_settled_twice(original: Any) -> Any:
    """A grant that comes again is taken from the battery again."""

    def settle(self: Settling, grant: Any) -> Any:
        slot = self._node.find(grant.slot)
        if slot is not None and slot.settlement is not None:
            self._node.battery_uj = max(0, self._node.battery_uj - 1_000_000)
            slot.settlement = None
            slot.phase = NodePhase.REPORTED
        return original(self, grant)

    return settle


@contextmanager
def outbox_lost_on_restart() -> Iterator[None]:
    """A new start of a node throws away what the one before could not deliver."""

    def forget(outbox: Any, boot_id: str) -> None:
        for message in outbox.pending():
            outbox.remove(message.seq)

    with patch.object(registration, "relabel", forget):
        yield


VARIANTS["outbox-lost-on-restart"] = outbox_lost_on_restart
