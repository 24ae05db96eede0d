"""A slot's summary, recomputed from its bookings, readings, gaps and trade. Pure.

Written apart from coordinator.slots on purpose: a fault there must not hide itself here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from coordinator.ledger.checks.facts import Facts
from coordinator.ledger.checks.item import Add, Item
from protos.messages.terms import HOLDERS, Stage

TRAINING = (Stage.DEVELOPMENT, Stage.RECYCLING)
"""Stages in which a policy may leave nodes out."""


class Summaries:
    def __init__(self, add: Add, facts: Facts) -> None:
        self._add, self._facts = add, facts
        self._node_ids: list[str] = []
        self._telemetry: dict[tuple[int, str], Mapping[str, Any]] = {}
        self._uj: dict[int, Counter[str]] = defaultdict(Counter)
        self._settled: dict[int, set[str]] = defaultdict(set)
        self._sent_uj: dict[int, int] = {}
        self._counted: Counter[tuple[int, str]] = Counter()
        """Batches of an owner that count in a slot, and those of them that ran elsewhere."""
        self._away: Counter[tuple[int, str]] = Counter()

    def take_start(self, item: Item) -> None:
        if "config" in item.body:
            self._node_ids = list(item.body["config"]["node_ids"])

    def take_telemetry(self, item: Item) -> None:
        if item.slot not in self._facts.decisions:
            self._telemetry[item.slot, item.node] = item.body

    def take_usage(self, item: Item) -> None:
        slot = item.slot
        if slot not in self._facts.decisions or slot in self._facts.ended:
            return
        for ran in item.body["executed"]:
            owner = ran["owner"]
            decided = self._facts.decided(slot, owner)
            if decided is None:
                continue
            left = self._facts.decided_batches(slot, decided) - self._counted[slot, owner]
            counts = max(0, min(ran["batches"], left))
            self._counted[slot, owner] += counts
            self._away[slot, owner] += counts if owner != item.node else 0

    def take_trade(self, item: Item) -> None:
        self._sent_uj[item.slot] = sum(one["sent_uj"] for one in item.body["transfers"])

    def take_booking(self, item: Item) -> None:
        if item.body["late"]:
            return  # after the summary
        sums = self._uj[item.slot]
        for name in ("demand_uj", "grid_uj", "green_uj"):
            sums[name] += item.body["balance"][name]
        self._shared(item)
        if not item.body["estimated"]:
            self._settled[item.slot].add(item.node)

    def _shared(self, item: Item) -> None:
        """Lines of no node: their energy comes from the grid."""
        shared = sum(line["energy_uj"] for line in item.body["lines"] if line["node_id"] in HOLDERS)
        self._uj[item.slot]["demand_uj"] += shared
        self._uj[item.slot]["grid_uj"] += shared

    def take_slot_end(self, item: Item) -> None:
        slot, said, told = (
            item.slot,
            item.body["summary"],
            self._facts.decisions[item.slot]["plan"]["decisions"],
        )
        self._shared(item)
        read = {node for at, node in self._facts.usage if at == slot}
        wanted = {
            "slot": slot,
            **{name: self._uj[slot][name] for name in ("demand_uj", "grid_uj", "green_uj")},
            "moved_batches": sum(count for (at, _), count in self._away.items() if at == slot),
            "transferred_uj": self._sent_uj.get(slot, 0),
            "unserved_batches": sum(self._missed(slot, one["node_id"]) for one in told),
            "settled_nodes": [one["node_id"] for one in told if one["node_id"] in self._settled[slot]],
            "missing_nodes": [node for node in self._node_ids if node not in read],
        }
        for name, value in wanted.items():
            if said[name] != value:
                self._add(
                    "summary", item.where, f"{name} is {said[name]}, the slot's entries make it {value}"
                )

    @staticmethod
    def _taken(decision: Mapping[str, Any], node: str) -> int:
        """Turns of lost nodes that a node was told to answer."""
        told = (one for one in decision["plan"]["decisions"] if one["node_id"] == node)
        return sum(bool(each["lost_node"]) for one in told for each in one.get("recalled", ()))

    def _missed(self, slot: int, node: str) -> int:
        """(D4): own batches at their deadline that no node ran, and batches that were sent and not run."""
        decision, usage = self._facts.decisions[slot], self._facts.usage.get((slot, node))
        chosen = decision["selected"]
        if chosen is not None and decision["stage"] in TRAINING and node not in chosen:
            return 0
        told = self._telemetry.get((slot, node)) or (usage or {}).get("own_work")
        due = 0 if told is None else told["backlog_batches"][0] + self._taken(decision, node)
        moved = () if usage is None else usage["moved"]
        away = self._away[slot, node]
        delivered = max(away, sum(one["batches"] for one in moved if one["sent"]))
        at_home = self._counted[slot, node] - away
        return max(0, due - at_home - delivered) + delivered - away
