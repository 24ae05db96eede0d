"""How a slot enters the books: trade, bookings in time, too late or by estimate, shared lines, summary.

Pure: looks at the books, returns entries; the service applies them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from carbon_data.storage import Balance
from carbon_data.units import to_micro
from coordinator.ledger.entry import Entry, Kind
from coordinator.slots.bookkeeping import (
    BookingContext,
    Counted,
    Parcels,
    UsersEnd,
    booking,
    market_line,
    own_lines,
    parcel_line,
    parcels_of,
)
from coordinator.slots.books import Books, SlotState, missed_batches
from coordinator.slots.settle import DonorState, close_unreported, settle_trade
from protos.messages import EndSlot, SlotSummary, Usage


class Closing:
    """Entries of a slot's end. ``intensity``: g/kWh by zone and slot."""

    def __init__(self, books: Books, intensity: Mapping[str, Sequence[float]]) -> None:
        self._books = books
        self._config = books.config
        self._intensity = intensity

    def trade(self, slot: SlotState) -> Entry:
        """Outcome of every decided transfer, with the nodes that reported their usage."""
        donors = {
            node: DonorState(usage.harvest_uj, slot.donor_battery_uj(node), slot.decisions[node].discharge_uj)
            for node, usage in slot.usage.items()
        }
        profiles = {node: self._books.nodes[node].profile for node in slot.decisions}
        outcome = settle_trade(slot.transfers, donors, profiles, self._config.slot_s)
        body = {"transfers": [asdict(transfer) for transfer in outcome]}
        return Entry(Kind.TRADE, f"trade/{slot.slot}", body, slot=slot.slot)

    def settled(self, slot: SlotState, usage: Usage, balance: Balance) -> Entry:
        """Booking of a node's own settlement, in time."""
        return booking(usage, balance, self._context(slot, usage, _counted(slot, usage)))

    def estimated(self, slot: SlotState, usage: Usage) -> Entry:
        """Booking of a node that reported its usage and fell silent before it settled."""
        balance = self._cautious(usage, *slot.grants(usage.node_id))
        return booking(usage, balance, self._context(slot, usage, _counted(slot, usage)), estimated=True)

    def late(self, slot: SlotState, usage: Usage) -> Entry:
        """Booking of a reading that came after its slot's end: once, cautiously, its work as waste."""
        new = [p for p in parcels_of([usage]) if (p.owner, p.executor) not in slot.parcel_pairs]
        executed = sum(e.batches for e in usage.executed)
        context = self._context(slot, usage, Counted(0, executed), tuple(self._parcel_lines(slot, new)))
        return booking(usage, self._cautious(usage, 0, 0), context, estimated=True, late=True)

    def shared(self, slot: SlotState, request: EndSlot) -> tuple[list[dict[str, Any]], tuple[Parcels, ...]]:
        """Lines of network, coordinator and router, and the parcels they were for."""
        body = self._config.body
        parcels = parcels_of([slot.usage[node] for node in sorted(slot.usage)])
        work_j = (
            request.aggregated_parameters * body.joules_per_aggregated_parameter
            + request.evaluated_examples * body.joules_per_evaluated_example
        )
        coordinator_uj = to_micro(body.static_w * self._config.slot_s + work_j)
        router_uj = to_micro(body.router_w * self._config.slot_s)
        intensity = self._intensity[body.zone][slot.slot]
        own = own_lines(slot.stage, body.zone, intensity, coordinator_uj, router_uj)
        return [*self._parcel_lines(slot, parcels), *self._market_lines(slot), *own], parcels

    def _market_lines(self, slot: SlotState) -> list[dict[str, Any]]:
        """Network energy of the slot's negotiation, by zone, at the mean intensity of both ends. The nodes' radios are
        in their own readings."""
        if slot.market is None:
            return []
        by_zone: dict[str, int] = {}
        for side in ("down_bytes", "up_bytes"):
            for node, size in slot.market[side].items():
                zone = self._books.nodes[node].profile.zone
                by_zone[zone] = by_zone.get(zone, 0) + size
        body = self._config.body.zone
        at_body, net = self._intensity[body][slot.slot], self._config.limits.net_j_per_byte
        lines = [
            market_line(zone, body, size, slot.stage, (self._intensity[zone][slot.slot] + at_body) / 2, net)
            for zone, size in sorted(by_zone.items())
        ]
        return [line for line in lines if line is not None]

    def summary(self, slot: SlotState, lines: Sequence[Mapping[str, Any]]) -> SlotSummary:
        """What the slot came to, with the shared ``lines`` not booked yet."""
        totals = slot.totals
        shared_uj = totals.get("shared_uj", 0) + sum(line["energy_uj"] for line in lines)
        return SlotSummary(
            slot=slot.slot,
            emissions_pg=totals.get("emissions_pg", 0) + sum(line["operational_pg"] for line in lines),
            grid_uj=totals.get("grid_uj", 0) + shared_uj,
            green_uj=totals.get("green_uj", 0),
            demand_uj=totals.get("demand_uj", 0) + shared_uj,
            moved_batches=sum(slot.away.values()),
            transferred_uj=sum(transfer.sent_uj for transfer in slot.trade or ()),
            executed_batches=sum(slot.counted.values()),
            unserved_batches=sum(missed_batches(slot, node) for node in slot.decisions),
            settled_nodes=tuple(node for node in slot.decisions if node in slot.settled),
            missing_nodes=tuple(node for node in self._config.node_ids if node not in slot.usage),
        )

    def _cautious(self, usage: Usage, export_uj: int, import_uj: int) -> Balance:
        node = usage.node_id
        demand_uj = sum(line.energy_uj for line in usage.lines)
        profile, battery_uj = self._books.nodes[node].profile, self._books.battery_uj(node)
        return close_unreported(profile, demand_uj, usage.harvest_uj, export_uj, import_uj, battery_uj)

    def _parcel_lines(self, slot: SlotState, parcels: Sequence[Parcels]) -> list[dict[str, Any]]:
        zones = {node: self._books.nodes[node].profile.zone for node in slot.decisions}
        ends = {node: (zone, self._intensity[zone][slot.slot]) for node, zone in zones.items()}
        net = self._config.limits.net_j_per_byte
        return [line for p in parcels if (line := parcel_line(p, slot.stage, ends, net)) is not None]

    def _context(
        self, slot: SlotState, usage: Usage, counted: Counted, parcel_lines: tuple[dict[str, Any], ...] = ()
    ) -> BookingContext:
        zone = self._books.nodes[usage.node_id].profile.zone
        return BookingContext(
            stage=slot.stage,
            zone=zone,
            intensity_g_per_kwh=self._intensity[zone][slot.slot],
            net_j_per_byte=self._config.limits.net_j_per_byte,
            transfers=slot.transfers_of(usage.node_id),
            counted=counted,
            users={traffic.owner: self._users_end(slot, traffic.owner) for traffic in usage.users},
            parcel_lines=parcel_lines,
        )

    def _users_end(self, slot: SlotState, owner: str) -> UsersEnd:
        profile = self._books.nodes[owner].profile
        intensity = self._intensity[profile.zone][slot.slot]
        return UsersEnd(profile.zone, intensity, profile.tx_j_per_byte, profile.rx_j_per_byte)


def _counted(slot: SlotState, usage: Usage) -> Counted:
    wasted = slot.wasted[usage.node_id]
    return Counted(sum(e.batches for e in usage.executed) - wasted, wasted)
