"""Batches: first come, first counted, each owner's up to what was decided; the rest is waste."""

from __future__ import annotations

from collections import defaultdict

from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item


class Batches:
    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts
        self._counted: dict[tuple[int, str], int] = defaultdict(int)
        """Batches of an owner that count in a slot."""
        self._counted_of: dict[tuple[int, str], int] = defaultdict(int)
        """Batches that count for an executor in a slot."""
        self._executed: dict[int, int] = defaultdict(int)
        """Batches booked in time, by slot."""

    def take_usage(self, item: Item) -> None:
        if item.slot not in self._facts.decisions or item.slot in self._facts.ended:
            return
        for executed in item.body["executed"]:
            owner = executed["owner"]
            decided = self._facts.decided(item.slot, owner)
            if decided is None:
                self._add("batches", item.where, f"ran batches of {owner}, who has no decision")
                continue
            left = self._facts.decided_batches(item.slot, decided) - self._counted[item.slot, owner]
            counts = max(0, min(executed["batches"], left))
            self._counted[item.slot, owner] += counts
            self._counted_of[item.slot, item.node] += counts

    def take_booking(self, item: Item) -> None:
        body, usage = item.body, self._facts.usage[item.slot, item.node]
        ran = sum(entry["batches"] for entry in usage["executed"])
        counts = 0 if body["late"] else self._counted_of[item.slot, item.node]
        if (body["executed_batches"], body["wasted_batches"]) != (counts, ran - counts):
            self._add(
                "batches",
                item.where,
                f"{item.node} ran {ran} batches of which {counts} count; booked are others",
            )
        if not body["late"]:
            self._executed[item.slot] += counts

    def take_slot_end(self, item: Item) -> None:
        decisions = self._facts.decisions[item.slot]["plan"]["decisions"]
        decided = sum(self._facts.decided_batches(item.slot, told) for told in decisions)
        counted, said = self._executed[item.slot], item.body["summary"]["executed_batches"]
        if counted > decided or counted != said:
            self._add(
                "batches", item.where, f"{counted} batches count, decided were {decided}, summary {said}"
            )
