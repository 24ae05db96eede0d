"""Batteries: never below zero, continuous from booking to booking, and (D1) to (D3) within a booking."""

from __future__ import annotations

from collections.abc import Mapping

from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item


class Batteries:
    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts
        self._measured: list[str] = []

    def take_start(self, item: Item) -> None:
        """The first start holds the configuration."""
        if "config" in item.body:
            self._measured = item.body["config"].get("measured_batteries", [])

    def take_telemetry(self, item: Item) -> None:
        """Only a battery with a gauge can be read."""
        if item.body.get("battery_was_read") and item.node not in self._measured:
            self._add("battery", item.where, f"says that {item.node} read its battery, which has no gauge")

    def take_any(self, item: Item) -> None:
        """Postings of any entry."""
        for posting in item.postings:
            held = self._facts.balances[posting.account, posting.unit]
            if posting.account.endswith("/battery") and held < 0:
                self._add("battery", item.where, f"{posting.account} falls below 0")

    def take_adjustment(self, item: Item) -> None:
        booked_uj = item.body["booked_uj"]
        if booked_uj != item.before:
            self._add("battery", item.where, f"adjusts from {booked_uj} uJ, the books held {item.before} uJ")
        if item.body.get("was_read") and item.node not in self._measured:
            self._add("battery", item.where, f"books a drift of {item.node}, whose battery has no gauge")

    def take_booking(self, item: Item) -> None:
        balance = item.body["balance"]
        begins_uj = balance["battery_before_uj"]
        if begins_uj != item.before:
            self._add(
                "battery",
                item.where,
                f"{item.node} begins with {begins_uj} uJ, the books held {item.before} uJ",
            )
        self._identities(balance, item.where)

    def _identities(self, b: Mapping[str, int], where: str) -> None:
        if b["demand_uj"] != b["grid_uj"] + b["green_uj"]:
            self._add("identity", where, "(D1) demand is not grid + green")
        into = b["harvest_uj"] + b["discharge_uj"] + b["import_uj"]
        if into != b["green_uj"] + b["charge_uj"] + b["export_uj"] + b["curtailed_uj"]:
            self._add("identity", where, "(D2) what comes to the green bus does not leave it")
        lost = b["self_discharge_uj"] + b["charge_loss_uj"] + b["discharge_loss_uj"]
        after = b["battery_before_uj"] + b["charge_uj"] - b["discharge_uj"] - lost
        if b["battery_after_uj"] != after:
            self._add("identity", where, "(D3) the battery's content does not follow from its flows")
