"""The books as they were before entries that may yet fail: what each entry can change is kept before it is applied."""

from __future__ import annotations

import copy
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from coordinator.ledger.entry import Entry, Kind

if TYPE_CHECKING:
    from coordinator.ledger.entry import Unit
    from coordinator.slots.books import Books

_MISSING = object()


class Savepoint:
    """Of ``books``, from now on. ``keep`` goes before each entry is applied; ``restore`` puts all of it back.

    Nodes and slots are put back into the same objects, for others hold them too."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._counts = {name: value for name, value in vars(books).items() if type(value) is int}
        self._run_time = books.run_time
        self._tables = {name: dict(getattr(books, name)) for name in ("delivered", "waiting", "unheard")}
        self._balances: dict[tuple[str, Unit], int | None] = {}
        self._states: dict[tuple[str, Any], Any] = {}
        self._frozen: dict[str, int] = {}
        """Slots of each zone's series before the first live signal."""

    def keep(self, entry: Entry) -> None:
        """Keep what ``entry`` may change."""
        for posting in entry.postings:
            key = (posting.account, posting.unit)
            self._balances.setdefault(key, self._books.balances.get(key))
        self._keep("nodes", entry.node_id)
        self._keep("slots", entry.slot)
        if entry.kind is Kind.SIGNAL and not self._frozen:
            self._tables["zones"] = dict(self._books.zones)
            series = self._books.intensity_g_per_kwh
            self._frozen = {zone: len(values) for zone, values in series.items()}
        if entry.kind is Kind.DECISION:
            for node in self._books.nodes:
                self._keep("nodes", node)

    def _keep(self, table: str, key: Any) -> None:
        if key in ("", None) or (table, key) in self._states:
            return
        state = getattr(self._books, table).get(key, _MISSING)
        self._states[table, key] = (
            state
            if state is _MISSING
            else (state, {name: _own(getattr(state, name)) for name in _names(state.__class__)})
        )

    def restore(self) -> None:
        """Put the books back."""
        books = self._books
        for name, value in self._counts.items():
            setattr(books, name, value)
        books.run_time = self._run_time
        for name, rows in self._tables.items():
            getattr(books, name).clear()
            getattr(books, name).update(rows)
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
            for name, value in values.items():
                setattr(state, name, value)
            held[key] = state


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _own(value: Any) -> Any:
    """A container of its own; what it holds does not change, but for lists in a table."""
    if type(value) is dict:
        return {key: list(each) if type(each) is list else each for key, each in value.items()}
    return copy.copy(value) if type(value) in (set, list) else value
