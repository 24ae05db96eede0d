"""Grams: a slot's summary is the sum of its lines, and the atmosphere holds what the stages owe."""

from __future__ import annotations

from collections import defaultdict

from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item
from coordinator.ledger.entry import Unit


class Emissions:
    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts
        self._by_slot: dict[int, int] = defaultdict(int)

    def take_booking(self, item: Item) -> None:
        if not item.body["late"]:
            self._by_slot[item.slot] += sum(line["operational_pg"] for line in item.body["lines"])

    def take_slot_end(self, item: Item) -> None:
        emitted = self._by_slot[item.slot] + sum(line["operational_pg"] for line in item.body["lines"])
        said = item.body["summary"]["emissions_pg"]
        if emitted != said:
            self._add("summary", item.where, f"emissions {said} pg, the lines sum to {emitted} pg")

    def finish(self) -> None:
        """Checks that need the whole ledger."""
        owed = sum(
            amount
            for (account, unit), amount in self._facts.balances.items()
            if unit == Unit.PICOGRAMS and account != "atmosphere"
        )
        held = self._facts.balances["atmosphere", Unit.PICOGRAMS]
        if owed + held != 0:
            self._add("sums", "atmosphere", f"{held} pg in the atmosphere, {-owed} pg owed by stages")
