"""Clocks of nodes: measured on the wall clock alone, and known to a tenth of the slot where a node is in its decision.

Ledgers from before clocks were measured have no entry of them, and are not asked for one."""

from __future__ import annotations

from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item

MOST_OF_SLOT = 0.1
NS_PER_S = 1_000_000_000


class NodeClocks:
    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts
        self._overrun: str | None = None
        self._slot_s = 0.0
        self._epoch = 0
        self._boots: dict[str, str] = {}
        self._known_ns: dict[str, int] = {}
        """Uncertainty of each node's clock, of this epoch."""
        self._are_measured = False

    def take_start(self, item: Item) -> None:
        self._epoch = item.body["epoch"]
        self._known_ns.clear()
        if "config" in item.body:
            self._overrun, self._slot_s = item.body["config"].get("overrun"), item.body["config"]["slot_s"]

    def take_registration(self, item: Item) -> None:
        self._boots[item.node] = item.body["boot_id"]

    def take_clock(self, item: Item) -> None:
        body = item.body
        self._are_measured = True
        self._known_ns[item.node] = body["uncertainty_ns"]
        if self._overrun is None:
            self._add("clock", item.where, "is of a clock, in a run on the virtual clock")
        if body["epoch"] != self._epoch or body["boot_id"] != self._boots.get(item.node):
            said = f"start {body['boot_id']} in epoch {body['epoch']}"
            self._add(
                "clock", item.where, f"is of {said}; it was {self._boots.get(item.node)} in {self._epoch}"
            )
        if not item.key.startswith(f"clock/{item.node}/{body['epoch']}/"):
            self._add("keys", item.where, "the key is not that of the node's clock")
        if body["next_slot"] != len(self._facts.decisions):
            slot = len(self._facts.decisions)
            self._add("clock", item.where, f"was read before slot {body['next_slot']}; the next was {slot}")
        if body["uncertainty_ns"] < 0 or body["round_trips"] < 1:
            self._add(
                "clock",
                item.where,
                f"is known to {body['uncertainty_ns']} ns by {body['round_trips']} ways there and back",
            )

    def take_decision(self, item: Item) -> None:
        if not self._are_measured:
            return
        for node in item.body["node_ids"]:
            known_ns = self._known_ns.get(node)
            if known_ns is None or known_ns > MOST_OF_SLOT * self._slot_s * NS_PER_S:
                known = "not known" if known_ns is None else f"known to {known_ns / NS_PER_S:g} s"
                self._add(
                    "clock",
                    item.where,
                    f"holds {node}, whose clock was {known}; a slot of {self._slot_s:g} s allows a tenth of it",
                )
