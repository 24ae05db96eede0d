"""Energy transfers: decided, their outcome, both legs booked, nothing left in between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item


class Transfers:
    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts
        self._trades: dict[int, Mapping[str, Any]] = {}
        self._legs: dict[tuple[int, str, str], dict[str, tuple[int, int]]] = defaultdict(dict)

    def take_trade(self, item: Item) -> None:
        decided = [tuple(row) for row in self._facts.decisions[item.slot]["transfers"]]
        outcome = [(t["donor"], t["recipient"], t["decided_uj"]) for t in item.body["transfers"]]
        if decided != outcome:
            self._add("transfers", item.where, "the outcome does not name the decided transfers one by one")
        for t in item.body["transfers"]:
            if not 0 <= t["received_uj"] <= t["sent_uj"] <= t["decided_uj"]:
                self._add(
                    "transfers",
                    item.where,
                    f"{_pair(t)}: {t['received_uj']} of {t['sent_uj']} uJ sent arrive",
                )
            if t["sent_uj"] == 0 and not t["reason"]:
                self._add("transfers", item.where, f"{_pair(t)} is void without a reason")
        self._trades[item.slot] = item.body

    def take_booking(self, item: Item) -> None:
        exported = imported = 0
        for t in item.body["transfers"]:
            leaves = t["donor"] == item.node
            exported += t["sent_uj"] if leaves else 0
            imported += 0 if leaves else t["received_uj"]
            side = "out" if leaves else "in"
            self._legs[item.slot, t["donor"], t["recipient"]][side] = (t["sent_uj"], t["received_uj"])
        balance = item.body["balance"]
        if (exported, imported) != (balance["export_uj"], balance["import_uj"]):
            self._add("transfers", item.where, "export and import are not those of the node's transfers")

    def take_slot_end(self, item: Item) -> None:
        if item.slot not in self._trades:
            self._add("transfers", item.where, "the slot ended without an outcome of its transfers")
        for t in self._trades.get(item.slot, {"transfers": []})["transfers"]:
            legs = self._legs.get((item.slot, t["donor"], t["recipient"]), {})
            amounts = (t["sent_uj"], t["received_uj"])
            wanted = {"out": amounts, "in": amounts} if t["sent_uj"] else {}
            if legs != wanted:
                self._add(
                    "transfers", item.where, f"{_pair(t)}: legs booked {legs}, the outcome needs {wanted}"
                )
        for (account, unit), amount in self._facts.balances.items():
            if account.startswith("transfer/") and amount != 0:
                self._add("transfers", item.where, f"{account} still holds {amount} {unit} after the slot")


def _pair(transfer: Mapping[str, Any]) -> str:
    return f"{transfer['donor']}->{transfer['recipient']}"
