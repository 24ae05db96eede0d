"""All checks of documents, in one pass over a ledger."""

from __future__ import annotations

from typing import Any

from coordinator.ledger.checks.agreement import Agreement
from coordinator.ledger.checks.batches import Batches
from coordinator.ledger.checks.batteries import Batteries
from coordinator.ledger.checks.clocks import NodeClocks
from coordinator.ledger.checks.columns import ColumnSlots
from coordinator.ledger.checks.emissions import Emissions
from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item
from coordinator.ledger.checks.lines import Lines
from coordinator.ledger.checks.order import Order
from coordinator.ledger.checks.postings import Postings
from coordinator.ledger.checks.readings import Readings
from coordinator.ledger.checks.signals import Signals
from coordinator.ledger.checks.sleep import SleepClaims
from coordinator.ledger.checks.summaries import Summaries
from coordinator.ledger.checks.transfers import Transfers
from coordinator.ledger.checks.wall import WallClock
from coordinator.ledger.entry import Kind, Unit


class Checks:
    """Takes the entries in order; ``add(code, where, text)`` is called for everything that is wrong.

    Each check has a method ``take_<kind>`` for the kinds it looks at, ``take_any`` for all of them, ``finish`` for the
    end. ``resolution_pg``: picograms to which the file's version rounded emissions.
    """

    def __init__(self, add: Add, resolution_pg: int = 1) -> None:
        facts = self._facts = Facts()
        self._order = Order(add, facts)
        self._ideas = (
            Batteries(add, facts),
            Readings(add, facts),
            Transfers(add, facts),
            Postings(add),
            Batches(add, facts),
            Lines(add, facts, resolution_pg),
            Emissions(add, facts),
            Agreement(add, facts),
            Summaries(add, facts),
            SleepClaims(add, facts),
            WallClock(add, facts),
            NodeClocks(add, facts),
            Signals(add, facts),
            ColumnSlots(add, facts),
        )

    def take(self, item: Item) -> None:
        """One entry. Raises KeyError, TypeError or ValueError when its document is not understood."""
        for posting in item.postings:
            self._facts.balances[posting.account, posting.unit] += posting.amount
        for idea in self._ideas:
            _call(idea, "take_any", item)
        _call(self._order, f"take_{item.kind.value}", item)
        self._facts.take(item)
        if item.kind is Kind.BOOKING and (item.slot, item.node) not in self._facts.usage:
            return  # found by the order; there is no reading to compare it with
        for idea in self._ideas:
            _call(idea, f"take_{item.kind.value}", item)

    def battery_uj(self, node: str) -> int:
        """A battery's content by the entries so far."""
        return self._facts.balances[f"node/{node}/battery", Unit.MICROJOULES]

    def finish(self) -> None:
        """Checks that need the whole ledger."""
        for idea in self._ideas:
            _call(idea, "finish")

    def notices(self) -> list[str]:
        """Notices: facts that break no guarantee and are still worth knowing."""
        return [f"{count} {name}" for name, count in sorted(self._facts.counts.items()) if count]


def _call(idea: object, name: str, *arguments: Any) -> None:
    if (method := getattr(idea, name, None)) is not None:
        method(*arguments)
