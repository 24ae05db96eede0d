"""The one transaction of a node's slot: sources, stores, sinks, losses and emissions. Pure.

Three ways to it: the node settled (``settled``), it reported its usage but did not settle (``estimated``), or its
reading came after the slot's end (``late``). Each finds in the books what the reading does not say, and ends in
``booking``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from carbon_data.storage import Balance
from coordinator.accounting.lifecycle import attribute, waste_from
from coordinator.ledger.body import body_of
from coordinator.ledger.entry import Entry, Kind
from coordinator.slots.balances import close_unreported
from coordinator.slots.books import Books
from coordinator.slots.delivered import Counted, delivered
from coordinator.slots.lines import Row, UsersEnd, model_line, parcel_line, parcels_of, row, user_lines
from coordinator.slots.postings import booking_postings, message_key
from coordinator.slots.state import SlotState
from coordinator.slots.trade import SettledTransfer
from protos.messages.slot import Usage
from protos.messages.terms import Stage


@dataclass(frozen=True, slots=True)
class BookingContext:
    """Input of a booking beside the reading itself."""

    stage: Stage
    zone: str
    intensity_g_per_kwh: float
    net_j_per_byte: float
    transfers: tuple[SettledTransfer, ...]
    """Posted transfers with this node as donor or recipient."""
    counted: Counted
    users: Mapping[str, UsersEnd] = field(default_factory=dict)
    """By node whose users the reading names."""
    parcel_lines: tuple[Row, ...] = ()
    """Only of a late reading: network lines of parcels that the slot's end did not know of."""


def settled(books: Books, slot: SlotState, usage: Usage, balance: Balance) -> Entry:
    """Booking of a node's own settlement, in time."""
    return booking(usage, balance, _context(books, slot, usage, _counted(slot, usage)))


def estimated(books: Books, slot: SlotState, usage: Usage) -> Entry:
    """Booking of a node that reported its usage and did not settle: the metered joules, divided cautiously."""
    balance = _cautious(books, usage, *slot.grants(usage.node_id))
    return booking(usage, balance, _context(books, slot, usage, _counted(slot, usage)), estimated=True)


def late(books: Books, slot: SlotState, usage: Usage) -> Entry:
    """Booking of a reading that came after its slot's end: once, cautiously, its work as waste."""
    executed = sum(e.batches for e in usage.executed)
    new = [p for p in parcels_of([usage]) if (p.owner, p.executor) not in slot.parcel_pairs]
    net, ends = books.config.limits.net_j_per_byte, books.zones_in(slot)
    lines = tuple(line for p in new for line in parcel_line(p, slot.stage, ends, net))
    context = _context(books, slot, usage, Counted(0, executed), lines)
    return booking(usage, _cautious(books, usage, 0, 0), context, estimated=True, late=True)


def _counted(slot: SlotState, usage: Usage) -> Counted:
    wasted = slot.wasted[usage.node_id]
    return Counted(sum(e.batches for e in usage.executed) - wasted, wasted)


def _cautious(books: Books, usage: Usage, export_uj: int, import_uj: int) -> Balance:
    node = usage.node_id
    demand_uj = sum(line.energy_uj for line in usage.lines)
    profile, battery_uj = books.nodes[node].profile, books.battery_uj(node)
    return close_unreported(profile, demand_uj, usage.harvest_uj, export_uj, import_uj, battery_uj)


def _context(
    books: Books, slot: SlotState, usage: Usage, counted: Counted, parcel_lines: tuple[Row, ...] = ()
) -> BookingContext:
    zone, intensity_g_per_kwh = books.zone_in(slot, usage.node_id)
    return BookingContext(
        stage=slot.stage,
        zone=zone,
        intensity_g_per_kwh=intensity_g_per_kwh,
        net_j_per_byte=books.config.limits.net_j_per_byte,
        transfers=slot.transfers_of(usage.node_id),
        counted=counted,
        users={traffic.owner: _users_end(books, slot, traffic.owner) for traffic in usage.users},
        parcel_lines=parcel_lines,
    )


def _users_end(books: Books, slot: SlotState, owner: str) -> UsersEnd:
    profile = books.nodes[owner].profile
    return UsersEnd(*books.zone_in(slot, owner), profile.tx_j_per_byte, profile.rx_j_per_byte)


def booking(
    usage: Usage, balance: Balance, context: BookingContext, *, estimated: bool = False, late: bool = False
) -> Entry:
    """The transaction itself.

    ``estimated``: the split of the metered joules is the coordinator's cautious one. ``late``: the reading
    came after the slot's end, so its work counts as waste.
    """
    counted = context.counted
    if late:
        counted = Counted(0, counted.executed + counted.wasted)
    body = {
        "stage": str(context.stage),
        "zone": context.zone,
        "intensity_g_per_kwh": context.intensity_g_per_kwh,
        "balance": body_of(balance),
        "lines": _lines(usage, balance, context, counted),
        "transfers": [body_of(t) for t in context.transfers],
        "executed": [[e.owner, e.batches] for e in usage.executed],
        "executed_batches": counted.executed,
        "wasted_batches": counted.wasted,
        **delivered(usage, counted, late),
        "model_bytes": usage.model_bytes,
        "estimated": estimated,
        "late": late,
        "reading": message_key(usage.node_id, usage.boot_id, usage.seq),
    }
    key, postings = f"booking/{usage.slot}/{usage.node_id}", booking_postings(usage.node_id, body)
    return Entry(Kind.BOOKING, key, body, postings, usage.slot, usage.node_id)


def _lines(usage: Usage, balance: Balance, context: BookingContext, counted: Counted) -> list[Row]:
    """The node's own lines, waste apart and grams by (L1), then what its bytes cost elsewhere."""
    total = counted.executed + counted.wasted
    own = waste_from(usage.lines, context.stage, counted.wasted, total)
    at, net = (context.zone, context.intensity_g_per_kwh), context.net_j_per_byte
    return [
        *(row(usage.node_id, context.zone, line) for line in attribute(own, balance.grid_uj, at[1])),
        *model_line(usage.model_bytes, context.stage, *at, net),
        *user_lines(usage.users, at, context.users, net),
        *(dict(line) for line in context.parcel_lines),
    ]
