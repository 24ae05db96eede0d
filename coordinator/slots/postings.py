"""Postings that documents stand for, and the entries that need no more than one. Pure integers.

Chart of accounts: coordinator.ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from carbon_data.types import Provenance
from coordinator.ledger.body import body_of
from coordinator.ledger.entry import Entry, Kind, Posting, Unit, merged
from coordinator.slots.lines import Parcels
from protos.messages.runner import SlotSummary
from protos.messages.terms import HOLDERS


def message_key(node_id: str, boot_id: str, seq: int) -> str:
    """Key under which a node's message counts once."""
    return f"message/{node_id}/{boot_id}/{seq}"


def booking_postings(node_id: str, body: Mapping[str, Any]) -> tuple[Posting, ...]:
    """Postings that a booking's document stands for: what ``verify`` compares the stored ones with."""
    b = body["balance"]
    node = f"node/{node_id}"
    postings = [
        _uj(f"{node}/grid", -b["grid_uj"]),
        _uj(f"{node}/harvest", -b["harvest_uj"]),
        _uj(f"{node}/battery", b["battery_after_uj"] - b["battery_before_uj"]),
        _uj(f"{node}/curtailed", b["curtailed_uj"]),
        _uj(f"{node}/loss/charge", b["charge_loss_uj"]),
        _uj(f"{node}/loss/discharge", b["discharge_loss_uj"]),
        _uj(f"{node}/loss/self_discharge", b["self_discharge_uj"]),
    ]
    for t in body["transfers"]:
        account = f"transfer/{t['donor']}->{t['recipient']}"
        if t["donor"] == node_id:
            postings.append(_uj(account, t["sent_uj"]))
        else:
            postings.append(_uj(account, -t["sent_uj"]))
            postings.append(_uj(f"loss/{account}", t["sent_uj"] - t["received_uj"]))
    return merged(postings + line_postings(body["lines"]))


def line_postings(lines: Iterable[Mapping[str, Any]]) -> list[Posting]:
    """Energy and emissions of attributed lines; shared lines draw on a grid account of their own."""
    postings: list[Posting] = []
    for line in lines:
        holder = line["node_id"] if line["node_id"] in HOLDERS else f"node/{line['node_id']}"
        account = f"{holder}/stage/{line['stage']}/{line['component']}"
        postings.append(_uj(account, line["energy_uj"]))
        if line["node_id"] in HOLDERS:
            postings.append(_uj(f"{holder}/grid", -line["energy_uj"]))
        postings.append(Posting(account, Unit.PICOGRAMS, -line["operational_pg"]))
        postings.append(Posting("atmosphere", Unit.PICOGRAMS, line["operational_pg"]))
    return postings


def opening(node_id: str, slot: int, battery_uj: int) -> Entry:
    """Content of a node's battery at its first registration."""
    postings = (_uj(f"node/{node_id}/battery", battery_uj), _uj(f"node/{node_id}/opening", -battery_uj))
    body = {"battery_uj": battery_uj}
    return Entry(Kind.OPENING, f"opening/{node_id}", body, merged(list(postings)), slot, node_id)


def adjustment(node_id: str, slot: int, cause: str, booked_uj: int, reported_uj: int) -> Entry:
    """A battery that came out of an unmetered gap with another content than the books hold: explicit."""
    change = reported_uj - booked_uj
    postings = (_uj(f"node/{node_id}/battery", change), _uj(f"node/{node_id}/adjustment", -change))
    body = {"booked_uj": booked_uj, "reported_uj": reported_uj, "cause": cause}
    return Entry(Kind.ADJUSTMENT, f"adjustment/{node_id}/{cause}", body, postings, slot, node_id)


def drift(node_id: str, slot: int, cause: str, booked_uj: int, read_uj: int) -> Entry:
    """A battery whose gauge shows another content than follows from its flows: what its model is wrong by."""
    change = read_uj - booked_uj
    postings = (_uj(f"node/{node_id}/battery", change), _uj(f"node/{node_id}/drift", -change))
    body = {"booked_uj": booked_uj, "reported_uj": read_uj, "cause": cause, "was_read": True}
    return Entry(Kind.ADJUSTMENT, f"adjustment/{node_id}/{cause}", body, postings, slot, node_id)


def gap(node_id: str, slot: int, reason: str) -> Entry:
    """A node's slot without a reading: no joule is invented for it."""
    body = {"reason": reason, "provenance": str(Provenance.MISSING)}
    return Entry(Kind.GAP, f"gap/{slot}/{node_id}", body, (), slot, node_id)


def alarm(name: str, key: str, slot: int | None, node_id: str, details: Mapping[str, Any]) -> Entry:
    """Something that must not happen, kept for people to see. Booked nowhere."""
    entry = Entry(Kind.ALARM, "alarm", {"alarm": name, **details}, (), slot, node_id)
    return Entry(
        Kind.ALARM, f"alarm/{name}/{key}/{entry.digest[:16]}", entry.body, (), slot, node_id, text=entry.text
    )


def slot_end(
    summary: SlotSummary,
    lines: Sequence[Mapping[str, Any]],
    parcels: Sequence[Parcels],
    wall: Mapping[str, Any] | None = None,
) -> Entry:
    """The end of a slot: shared lines and the summary; ``wall``: how long it lasted, on the wall clock."""
    body = {
        "summary": body_of(summary),
        "lines": [dict(line) for line in lines],
        "parcels": [body_of(parcel) for parcel in parcels],
        **({} if wall is None else {"wall": dict(wall)}),
    }
    return Entry(
        Kind.SLOT_END, f"slot_end/{summary.slot}", body, merged(line_postings(lines)), summary.slot, ""
    )


def _uj(account: str, amount: int) -> Posting:
    return Posting(account, Unit.MICROJOULES, amount)
