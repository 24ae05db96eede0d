"""The books as they were before entries that may yet fail: what each entry can change is kept before it is applied."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from coordinator.ledger.entry import Entry, Kind

if TYPE_CHECKING:
    from coordinator.ledger.entry import Unit
    from coordinator.slots.books import Books

_MISSING = object()
_CHANGING = (dict, set, list)
_WHOLE = {Kind.DECISION: "waiting", Kind.BOOKING: "delivered"}
"""Tables that an entry of a kind changes in more than its node's row."""


class Savepoint:
    """Of ``books``, from now on. ``keep`` goes before each entry is applied; ``restore`` puts all of it back.

    Nodes and slots are put back into the same objects, for others hold them too."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._counts = _all(books.counts)(books)
        self._run_time = books.run_time
        self._rows: dict[tuple[str, str | None], Any] = {}
        """By table and node, or whole tables, in the order in which they were kept."""
        self._balances: dict[tuple[str, Unit], int | None] = {}
        self._states: dict[tuple[str, Any], Any] = {}
        self._frozen: dict[str, int] = {}
        """Slots of each zone's series before the first live signal."""

    def keep(self, entry: Entry) -> None:
        """Keep what ``entry`` may change."""
        for posting in entry.postings:
            key = (posting.account, posting.unit)
            self._balances.setdefault(key, self._books.balances.get(key))
        self._keep("slots", entry.slot)
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


class Within:
    """A block within such a block, which restores for both."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


WITHIN = Within()


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
