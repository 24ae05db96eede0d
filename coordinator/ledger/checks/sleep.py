"""Energy of sleep against what nodes registered and reported: none of a board that cannot sleep, or did not. Pure."""

from __future__ import annotations

from typing import Any

from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item
from protos.messages.terms import Component, Sleep


class SleepClaims:
    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts
        self._kinds: dict[str, Sleep] = {}

    def take_registration(self, item: Item) -> None:
        self._kinds[item.node] = Sleep(item.body["profile"].get("sleep", Sleep.MODELLED))

    def take_booking(self, item: Item) -> None:
        kind, usage = self._kinds[item.node], self._facts.usage[item.slot, item.node]
        report: dict[str, Any] | None = usage.get("sleep")
        claims = any(line["component"] == Component.SLEEP for line in usage["lines"])
        if kind.real is (report is None):
            said = "nothing" if report is None else "something"
            self._add(
                "sleep",
                item.where,
                f"sleep of {item.node} is {kind}, and its reading says {said} of its board",
            )
        elif claims and (kind is Sleep.NONE or (report is not None and not report["asleep"])):
            why = "it cannot sleep" if kind is Sleep.NONE else "its board was awake"
            self._add("sleep", item.where, f"energy of sleep of {item.node}, and {why}")
        if report is not None and report["failed"]:
            self._facts.counts["boards that could not be switched"] += 1
