"""Tables ``energy_flows`` and ``batch_flows``: what moved between two nodes."""

from __future__ import annotations

from collections.abc import Iterable

from carbon_data.units import from_micro
from coordinator.tables.recorded import RecordedRun, Row
from coordinator.tables.schema import BATCH_FLOWS


def energy_rows(run: RecordedRun) -> Iterable[Row]:
    """Decided transfers of energy and what became of them."""
    for slot, trade in sorted(run.trades.items()):
        for t in trade["transfers"]:
            yield {
                "slot": slot,
                "donor": t["donor"],
                "recipient": t["recipient"],
                "decided_j": from_micro(t["decided_uj"]),
                "sent_j": from_micro(t["sent_uj"]),
                "received_j": from_micro(t["received_uj"]),
                "status": "posted" if t["sent_uj"] else "void",
                "reason": t["reason"],
            }


def batch_rows(run: RecordedRun) -> Iterable[Row]:
    """Batches that really moved, as the slot's end knew them; sent ones of a slot still open are left out."""
    for slot, end in sorted(run.ends.items()):
        for parcel in end["parcels"]:
            yield {"slot": slot, **{name: parcel[name] for name in BATCH_FLOWS.names[1:]}}
