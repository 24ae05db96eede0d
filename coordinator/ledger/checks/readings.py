"""A booking against the reading that it books: joules metered, harvest, what was delivered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item
from protos.messages.terms import HOLDERS

DELIVERED = ("requests", "tokens_in", "tokens_out", "bits")


class Readings:
    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts

    def take_booking(self, item: Item) -> None:
        usage = self._facts.usage[item.slot, item.node]
        self._joules(item, usage)
        self._delivered(item, usage)

    def _joules(self, item: Item, usage: Mapping[str, Any]) -> None:
        node, balance = item.node, item.body["balance"]
        metered = sum(line["energy_uj"] for line in usage["lines"])
        own = [line for line in item.body["lines"] if line["node_id"] not in HOLDERS]
        if sum(line["energy_uj"] for line in own) != metered or balance["demand_uj"] != metered:
            self._add(
                "reading", item.where, f"books another demand than the {metered} uJ that {node} metered"
            )
        harvest = usage["harvest_uj"]
        if balance["harvest_uj"] != harvest:
            self._add("reading", item.where, f"books another harvest than the {harvest} uJ metered")
        if sum(line["grid_uj"] for line in own) != balance["grid_uj"]:
            self._add("reading", item.where, "the lines' grid energy is not the node's")

    def _delivered(self, item: Item, usage: Mapping[str, Any]) -> None:
        """What (T1) counts equals the reading's figures of each service, less the share of wasted batches."""
        body = item.body
        if "services" not in body:
            return  # format 1 booked sums alone
        wanted: dict[str, dict[str, int]] = {}
        counted, wasted = body["executed_batches"], body["wasted_batches"]
        planned = [(part, wasted) for part in usage["serving"]]
        outside = [] if usage["outside"] is None else [(usage["outside"], 0)]
        for part, out in [] if body["late"] else [*planned, *outside]:
            own = wanted.setdefault(part["service"], dict.fromkeys(DELIVERED, 0))
            for name in DELIVERED:
                own[name] += part[name] * counted // (counted + out) if out else part[name]
        booked = body["services"]
        if {part["service"]: {name: part[name] for name in DELIVERED} for part in booked} != wanted:
            self._add("delivered", item.where, f"counts {booked} as delivered, the reading makes it {wanted}")
        if any(body[name] != sum(part[name] for part in booked) for name in DELIVERED):
            self._add(
                "delivered", item.where, "requests, tokens or bits are not the sums of those of the services"
            )

    def finish(self) -> None:
        """Every reading of a slot that ended is booked."""
        for slot, node in self._facts.usage:
            if slot in self._facts.ended and (slot, node) not in self._facts.booked:
                self._add("reading", f"slot {slot}", f"the reading of {node} is in no booking")
