"""Postings against the document they stand for, computed apart from coordinator.slots.postings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from coordinator.ledger.checks.item import Add, Item
from coordinator.ledger.entry import Kind, Posting, Unit
from protos.messages.terms import HOLDERS

BOOK = (Kind.OPENING, Kind.ADJUSTMENT, Kind.BOOKING, Kind.SLOT_END, Kind.FLEET, Kind.SLOT)
"""Kinds of entries that have postings; all others book nothing."""
Wanted = dict[tuple[str, str], int]


class Postings:
    def __init__(self, add: Add) -> None:
        self._add = add

    def take_any(self, item: Item) -> None:
        if item.kind not in BOOK and item.postings:
            self._add("postings", item.where, f"an entry of kind {item.kind} books nothing, this one does")

    def take_opening(self, item: Item) -> None:
        self._battery(item, item.body["battery_uj"], "opening")

    def take_adjustment(self, item: Item) -> None:
        source = "drift" if item.body.get("was_read") else "adjustment"
        self._battery(item, item.body["reported_uj"] - item.body["booked_uj"], source)

    def _battery(self, item: Item, amount_uj: int, source: str) -> None:
        """What a battery holds comes from one named source."""
        node = f"node/{item.node}"
        wanted = {f"{node}/battery": amount_uj, f"{node}/{source}": -amount_uj} if amount_uj else {}
        got = {p.account: p.amount for p in item.postings if p.amount}
        if got != wanted:
            self._add("postings", item.where, f"postings {got} are not those of the document {wanted}")

    def take_booking(self, item: Item) -> None:
        self._compare(_of_booking(item.node, item.body), item.postings, item.where)

    def take_slot_end(self, item: Item) -> None:
        wanted: Wanted = defaultdict(int)
        _add_lines(wanted, item.body["lines"])
        self._compare(wanted, item.postings, item.where)

    def _compare(self, wanted: Wanted, postings: Sequence[Posting], where: str) -> None:
        got: Wanted = defaultdict(int)
        for posting in postings:
            got[posting.account, posting.unit] += posting.amount
        accounts = {key for key in (*wanted, *got) if wanted.get(key, 0) != got.get(key, 0)}
        for account, unit in sorted(accounts):
            booked, said = got.get((account, unit), 0), wanted.get((account, unit), 0)
            self._add("postings", where, f"{account}: booked {booked} {unit}, the document says {said}")


def _of_booking(node: str, body: Mapping[str, Any]) -> Wanted:
    b = body["balance"]
    names = {
        "grid": -b["grid_uj"],
        "harvest": -b["harvest_uj"],
        "battery": b["battery_after_uj"] - b["battery_before_uj"],
        "curtailed": b["curtailed_uj"],
        "loss/charge": b["charge_loss_uj"],
        "loss/discharge": b["discharge_loss_uj"],
        "loss/self_discharge": b["self_discharge_uj"],
    }
    wanted: Wanted = defaultdict(int)
    for name, amount in names.items():
        wanted[f"node/{node}/{name}", Unit.MICROJOULES] += amount
    for t in body["transfers"]:
        account = f"transfer/{t['donor']}->{t['recipient']}"
        if t["donor"] == node:
            wanted[account, Unit.MICROJOULES] += t["sent_uj"]
        else:
            wanted[account, Unit.MICROJOULES] -= t["sent_uj"]
            wanted[f"loss/{account}", Unit.MICROJOULES] += t["sent_uj"] - t["received_uj"]
    _add_lines(wanted, body["lines"])
    return wanted


def _add_lines(wanted: Wanted, lines: Sequence[Mapping[str, Any]]) -> None:
    for line in lines:
        shared = line["node_id"] in HOLDERS
        holder = line["node_id"] if shared else f"node/{line['node_id']}"
        account = f"{holder}/stage/{line['stage']}/{line['component']}"
        wanted[account, Unit.MICROJOULES] += line["energy_uj"]
        if shared:
            wanted[f"{holder}/grid", Unit.MICROJOULES] -= line["energy_uj"]
        wanted[account, Unit.PICOGRAMS] -= line["operational_pg"]
        wanted["atmosphere", Unit.PICOGRAMS] += line["operational_pg"]
