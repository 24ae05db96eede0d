"""State from the entries read so far: decisions, readings, which node slots are closed, balances of the accounts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from coordinator.ledger.checks.item import Item
from coordinator.ledger.entry import Kind


class Facts:
    """Read by all checks; changed by ``take`` alone."""

    def __init__(self) -> None:
        self.balances: dict[tuple[str, str], int] = defaultdict(int)
        self.decisions: dict[int, Mapping[str, Any]] = {}
        self.usage: dict[tuple[int, str], Mapping[str, Any]] = {}
        self.booked: set[tuple[int, str]] = set()
        self.gaps: set[tuple[int, str]] = set()
        self.ended: set[int] = set()
        self.counts: dict[str, int] = defaultdict(int)
        """Notices: facts that break no guarantee and are still worth knowing."""

    def take(self, item: Item) -> None:
        """Take the facts of an entry; its postings are in ``balances`` already."""
        at = item.slot, item.node
        if item.kind is Kind.DECISION:
            self.decisions[item.slot] = item.body
            self.counts["slots decided by fallback"] += item.body["plan"]["status"].startswith("fallback")
        elif item.kind is Kind.USAGE:
            self.usage[at] = item.body
        elif item.kind is Kind.BOOKING:
            self.booked.add(at)
            if item.body["late"]:
                self.counts["readings after their slot's end"] += 1
            elif item.body["estimated"]:
                self.counts["bookings by estimate"] += 1
        elif item.kind is Kind.GAP:
            self.gaps.add(at)
            self.counts["unmetered node slots"] += 1
        elif item.kind is Kind.SLOT_END:
            self.ended.add(item.slot)
        elif item.kind is Kind.ADJUSTMENT:
            was_read = item.body.get("was_read", False)
            self.counts["readings of batteries" if was_read else "battery adjustments after a gap"] += 1
        elif item.kind is Kind.SIGNAL:
            told = (*item.body["zones"], *item.body["marginal"])
            self.counts["stale intensities"] += sum(each["stale"] for each in told)
            self.counts["intensities kept beyond their limit"] += sum(each["kept"] for each in told)
        elif item.kind is Kind.ALARM:
            self.counts[f"alarm: {item.body['alarm']}"] += 1

    def decided(self, slot: int, node: str) -> Mapping[str, Any] | None:
        """A node's part of a slot's decision."""
        decision = self.decisions.get(slot)
        if decision is None:
            return None
        return next((d for d in decision["plan"]["decisions"] if d["node_id"] == node), None)

    def decided_batches(self, slot: int, decided: Mapping[str, Any]) -> int:
        """Batches of an owner that count at most: at home as decided or, of a self-managed node, as in its usage (0
        until it reports), and those sent."""
        told = self.usage.get((slot, decided["node_id"]), {}).get("own_work")
        own = int(decided["own_batches"] if told is None else told["own_batches"])
        return own + sum(int(send["batches"]) for send in decided["sends"])
