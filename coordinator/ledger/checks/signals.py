"""Live intensities: one entry a slot, before its decision, with the age and the flags that follow from its times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item


class Signals:
    """Recomputes what follows from a reading's times and the limits in the configuration."""

    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts
        self._limits: dict[tuple[str, bool], Mapping[str, Any]] = {}
        self._frozen = 0

    def take_start(self, item: Item) -> None:
        live = item.body.get("config", {}).get("live")
        if live is not None:
            self._limits = {(signal["zone"], signal["marginal"]): signal for signal in live["signals"]}

    def take_signal(self, item: Item) -> None:
        body = item.body
        told = [(each["zone"], False) for each in body["zones"]]
        told += [(each["zone"], True) for each in body["marginal"]]
        if sorted(told) != sorted(self._limits) or item.key != f"signal/{item.slot}":
            self._add("signals", item.where, "its zones are not those of the run's live signals")
            return
        if item.slot != self._frozen or item.slot != len(self._facts.decisions):
            self._add("order", item.where, f"intensities of slot {item.slot} are frozen out of order")
        self._frozen += 1
        for name, each in zip(told, (*body["zones"], *body["marginal"]), strict=True):
            self._reading(item, each, self._limits[name])

    def _reading(self, item: Item, told: Mapping[str, Any], limits: Mapping[str, Any]) -> None:
        at, until = datetime.fromisoformat(item.body["at"]), datetime.fromisoformat(told["until"])
        age_s = max(0.0, (at - until).total_seconds())
        flags = (age_s > limits["stale_after_s"], age_s > limits["refuse_after_s"])
        if (told["age_s"], told["stale"], told["kept"]) != (age_s, *flags):
            self._add("signals", item.where, f"age and flags of {told['zone']} are not those of its times")
        if told["kept"] and not limits["keep"]:
            self._add("signals", item.where, f"{told['zone']} is older than the run allows")

    def take_decision(self, item: Item) -> None:
        if self._limits and item.slot >= self._frozen:
            self._add("order", item.where, f"slot {item.slot} is decided before its intensities are frozen")
