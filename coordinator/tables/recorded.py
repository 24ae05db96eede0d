"""The entries of a ledger, sorted by what they are, with the questions that several tables ask. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from coordinator.ledger.entry import Kind
from coordinator.ledger.store import StoredEntry
from coordinator.slots.delivered import COUNTS, delivered_by_service

Row = dict[str, Any]


def _intensities(
    zones: Iterable[Mapping[str, Any]], signals: Iterable[Mapping[str, Any]]
) -> tuple[dict[str, list[float]], dict[str, list[Mapping[str, Any]]]]:
    """By zone the intensity of every slot, and how it was known where it is live or was recorded live."""
    intensity = {zone["zone"]: list(zone["intensity_g_per_kwh"]) for zone in zones}
    readings = {zone["zone"]: list(zone.get("readings", ())) for zone in zones}
    for signal in signals:
        for told in signal["zones"]:
            intensity[told["zone"]].append(told["g_per_kwh"])
            readings[told["zone"]].append(told)
    return intensity, readings


class RecordedRun:
    """The entries of a ledger, sorted by what they are."""

    def __init__(self, entries: Iterable[StoredEntry]) -> None:
        self.config: Mapping[str, Any] = {}
        self.registrations: dict[str, Mapping[str, Any]] = {}
        self.telemetry: dict[tuple[int, str], Mapping[str, Any]] = {}
        self.decisions: dict[int, Mapping[str, Any]] = {}
        self._decision_of: dict[tuple[int, str], Mapping[str, Any]] = {}
        self.usage: dict[tuple[int, str], Mapping[str, Any]] = {}
        self.trades: dict[int, Mapping[str, Any]] = {}
        self.bookings: dict[tuple[int, str], Mapping[str, Any]] = {}
        self.ends: dict[int, Mapping[str, Any]] = {}
        self.adjusted_uj: dict[str, int] = defaultdict(int)
        self.drifted_uj: dict[str, int] = defaultdict(int)
        """What gauges of batteries showed beyond their flows."""
        self._clock: dict[str, Mapping[str, Any]] = {}
        self._clocks: dict[int, Mapping[str, Mapping[str, Any]]] = {}
        self.signals: list[Mapping[str, Any]] = []
        """Live intensities by slot, as they were frozen."""
        for stored in entries:
            entry = stored.entry
            slot, node, body = entry.slot if entry.slot is not None else -1, entry.node_id, entry.body
            if entry.kind is Kind.START and "config" in body:
                self.config = body["config"]
            elif entry.kind is Kind.REGISTRATION:
                self.registrations[node] = body
            elif entry.kind is Kind.TELEMETRY:
                self.telemetry[slot, node] = body  # the last one before the decision is the one decided upon
            elif entry.kind is Kind.DECISION:
                self.decisions[slot] = body
                self._clocks[slot] = dict(self._clock)
                for decision in body["plan"]["decisions"]:
                    self._decision_of[slot, decision["node_id"]] = decision
            elif entry.kind is Kind.USAGE:
                self.usage[slot, node] = body
                if body.get("own_work") is not None:  # a market's slot: the backlog was disclosed afterwards
                    self.telemetry[slot, node] = body["own_work"]
            elif entry.kind is Kind.TRADE:
                self.trades[slot] = body
            elif entry.kind is Kind.BOOKING:
                self.bookings[slot, node] = body
            elif entry.kind is Kind.SLOT_END:
                self.ends[slot] = body
            elif entry.kind is Kind.SIGNAL:
                self.signals.append(body)
            elif entry.kind is Kind.CLOCK:
                self._clock[node] = body
            elif entry.kind is Kind.ADJUSTMENT:
                changed = self.drifted_uj if body.get("was_read") else self.adjusted_uj
                changed[node] += body["reported_uj"] - body["booked_uj"]
        self.intensity, self.readings = _intensities(self.config.get("zones", ()), self.signals)
        self.node_ids: list[str] = list(self.config.get("node_ids", self.registrations))

    def zone_of(self, node: str) -> str | None:
        registration = self.registrations.get(node)
        return None if registration is None else registration["profile"]["zone"]

    def decision_of(self, slot: int, node: str) -> Mapping[str, Any] | None:
        return self._decision_of.get((slot, node))

    def clock_of(self, slot: int, node: str) -> Mapping[str, Any] | None:
        """The node's clock as it was known when the slot was decided; None on the virtual clock."""
        return self._clocks.get(slot, {}).get(node)

    def booked_slots(self) -> dict[str, list[int]]:
        """By node the slots it has a booking of, in the order of the ledger."""
        slots: dict[str, list[int]] = defaultdict(list)
        for slot, node in self.bookings:
            slots[node].append(slot)
        return slots

    def backlog(self, slot: int, node: str) -> list[int]:
        """Own batches before the decision, by slots left; turns of lost nodes that it took over are due at once."""
        due, *later = self.telemetry[slot, node]["backlog_batches"]
        told = (self.decision_of(slot, node) or {}).get("recalled", ())
        return [due + sum(bool(each["lost_node"]) for each in told), *later]

    def own_batches(self, slot: int, decision: Mapping[str, Any]) -> int:
        """Batches to run at home: decided, or, of a self-managed node, as it chose."""
        told = self.usage.get((slot, decision["node_id"]), {}).get("own_work")
        return int(decision["own_batches"] if told is None else told["own_batches"])

    def services(self, slot: int, node: str) -> list[Mapping[str, Any]]:
        """What a node delivered in a slot, by service."""
        return delivered_by_service(self.bookings[slot, node], self.usage.get((slot, node), {}))

    def delivered(self, slot: int, node: str) -> dict[str, int]:
        """Likewise, of all services."""
        services = self.services(slot, node)
        return {name: sum(service[name] for service in services) for name in COUNTS}

    def counted_batches(self) -> dict[int, tuple[dict[str, int], dict[str, int]]]:
        """By slot (all, away) batches of each owner that count: first come, first counted."""
        found: dict[int, tuple[dict[str, int], dict[str, int]]] = {
            slot: (defaultdict(int), defaultdict(int)) for slot in self.decisions
        }
        for (slot, node), usage in self.usage.items():
            if self.bookings.get((slot, node), {}).get("late"):
                continue
            counted, away = found[slot]
            for executed in usage["executed"]:
                owner = executed["owner"]
                decision = self.decision_of(slot, owner)
                if decision is None:
                    continue
                total = self.own_batches(slot, decision) + sum(s["batches"] for s in decision["sends"])
                counts = max(0, min(executed["batches"], total - counted[owner]))
                counted[owner] += counts
                away[owner] += counts if owner != node else 0
        return found
