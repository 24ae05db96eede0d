"""The books as they were before entries that may yet fail: what each entry can change is kept before it is applied."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from coordinator.ledger.entry import Entry, Kind
from protos.messages.slot import Usage

if TYPE_CHECKING:
    from coordinator.ledger.entry import Unit
    from coordinator.slots.books import Books
    from coordinator.slots.state import SlotState

_MISSING = object()
_CHANGING = (dict, set, list)
_WHOLE = {Kind.DECISION: "waiting", Kind.BOOKING: "delivered"}
"""Tables that an entry of a kind changes in more than its node's row."""
_OF_ONE_NODE = frozenset({Kind.USAGE, Kind.BOOKING, Kind.GAP})
"""Kinds that change a slot in the rows of one node, and of the owners whose batches it ran."""
_NOT_IN_SLOTS = frozenset({Kind.TELEMETRY, Kind.SETTLEMENT, Kind.ALARM})
"""Kinds that change no slot, though they name one."""
_BY_NODE = ("standing", "usage", "counted", "wasted", "away")
_SMALL = ("totals", "parcel_pairs")
"""Containers of a slot: by node, and those that such kinds change elsewhere."""


class Savepoint:
    """Of ``books``, from now on. ``keep`` goes before each entry is applied; ``restore`` puts all of it back.

    Nodes and slots are put back into the same objects, for others hold them too."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._counts = _all(books.counts)(books)
        self._run_time = books.run_time
        self._turns = books.turns.mark()
        self._rows: dict[tuple[str, str | None], Any] = {}
        """By table and node, or whole tables, in the order in which they were kept."""
        self._balances: dict[tuple[str, Unit], int | None] = {}
        self._states: dict[tuple[str, Any], Any] = {}
        self._slot_rows: dict[tuple[int, str], tuple[SlotState, dict[str, Any]]] = {}
        """By slot and node: what the slot's containers held of the node. A copy of them all for every node's entry
        would make a slot's cost grow with the square of its nodes."""
        self._frozen: dict[str, int] = {}
        """Slots of each zone's series before the first live signal."""

    def keep(self, entry: Entry) -> None:
        """Keep what ``entry`` may change."""
        for posting in entry.postings:
            key = (posting.account, posting.unit)
            self._balances.setdefault(key, self._books.balances.get(key))
        self._keep_slot(entry)
        if node := entry.node_id:
            self._keep("nodes", node)
            if ("waiting", node) not in self._rows:
                self._rows["waiting", node] = self._books.waiting.get(node, _MISSING)
                self._rows["unheard", node] = self._books.unheard.get(node, _MISSING)
        if entry.kind in _WHOLE:
            self._keep_whole(_WHOLE[entry.kind])
        if entry.kind is Kind.SIGNAL and not self._frozen:
            self._keep_whole("zones")
            series = self._books.intensity_g_per_kwh
            self._frozen = {zone: len(values) for zone, values in series.items()}
        if entry.kind is Kind.DECISION:
            for node in self._books.nodes:
                self._keep("nodes", node)

    def _keep_slot(self, entry: Entry) -> None:
        if entry.kind in _NOT_IN_SLOTS:
            return
        slot = None if entry.slot is None else self._books.slots.get(entry.slot)
        changed = _changed_nodes(entry)
        if slot is None or changed is None:
            self._keep("slots", entry.slot)
            return
        if ("slots", slot.slot) in self._states:
            return
        for node in changed:
            if (slot.slot, node) not in self._slot_rows:
                rows = {name: getattr(slot, name).get(node, _MISSING) for name in _BY_NODE}
                rows |= {name: copy.copy(getattr(slot, name)) for name in _SMALL}
                self._slot_rows[slot.slot, node] = (slot, rows | {"settled": node in slot.settled})

    def _keep_whole(self, table: str) -> None:
        if (table, None) not in self._rows:
            self._rows[table, None] = dict(getattr(self._books, table))

    def _keep(self, table: str, key: Any) -> None:
        if key in ("", None) or (table, key) in self._states:
            return
        state = getattr(self._books, table).get(key, _MISSING)
        if state is not _MISSING:
            values = _values(state.__class__)(state)
            state = (state, [_own(value) if type(value) in _CHANGING else value for value in values])
        self._states[table, key] = state

    def restore(self) -> None:
        """Put the books back."""
        books = self._books
        for name, value in zip(books.counts, self._counts, strict=True):
            setattr(books, name, value)
        books.run_time = self._run_time
        books.turns.back_to(self._turns)
        for (name, node), row in reversed(self._rows.items()):
            if node is None:
                getattr(books, name).clear()
                getattr(books, name).update(row)
            elif row is _MISSING:
                getattr(books, name).pop(node, None)
            else:
                getattr(books, name)[node] = row
        for zone, slots in self._frozen.items():
            del books.intensity_g_per_kwh[zone][slots:]
        for key, amount in self._balances.items():
            if amount is None:
                books.balances.pop(key, None)
            else:
                books.balances[key] = amount
        for (table, key), kept in self._states.items():
            held = getattr(books, table)
            if kept is _MISSING:
                held.pop(key, None)
                continue
            state, values = kept
            for name, value in zip(_names(state.__class__), values, strict=True):
                setattr(state, name, value)
            held[key] = state
        # A slot kept as a whole was kept after its rows, if there are any: these go back last, the oldest at the end.
        for (_, node), (slot, rows) in reversed(self._slot_rows.items()):
            _put_back(slot, node, rows)


class Together:
    """A block in which what is applied to ``books`` stands together."""

    __slots__ = ("_books",)

    def __init__(self, books: Books) -> None:
        self._books = books

    def __enter__(self) -> None:
        self._books.savepoint = Savepoint(self._books)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        savepoint, self._books.savepoint = self._books.savepoint, None
        if kind is not None and savepoint is not None:
            savepoint.restore()
        self._books.turns.changes = None


class Within:
    """A block within such a block, which restores for both."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


WITHIN = Within()


def _changed_nodes(entry: Entry) -> set[str] | None:
    """Nodes whose rows of its slot ``entry`` changes; None: it may change all of the slot."""
    if entry.kind not in _OF_ONE_NODE or not entry.node_id:
        return None
    if entry.kind is not Kind.USAGE:
        return {entry.node_id}
    if not isinstance(entry.record, Usage):
        return None  # read from the file: its owners are still in the text
    return {entry.node_id, entry.record.node_id, *(executed.owner for executed in entry.record.executed)}


def _put_back(slot: SlotState, node: str, rows: dict[str, Any]) -> None:
    for name in _BY_NODE:
        held = getattr(slot, name)
        if rows[name] is _MISSING:
            held.pop(node, None)
        else:
            held[node] = rows[name]
    for name in _SMALL:
        setattr(slot, name, copy.copy(rows[name]))
    (slot.settled.add if rows["settled"] else slot.settled.discard)(node)


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _values(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    return _all(_names(kind))


@cache
def _all(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    """Several attributes at once."""
    return attrgetter(*names)


def _own(value: Any) -> Any:
    """A container of its own; what it holds does not change, but for lists in a table."""
    if type(value) is dict:
        return {key: list(each) if type(each) is list else each for key, each in value.items()}
    return copy.copy(value)
