"""Table ``energy_flows``: decided transfers of energy and what became of them."""

from __future__ import annotations

from collections.abc import Iterable

from carbon_data.units import from_micro
from coordinator.tables.recorded import RecordedRun, Row


def energy_rows(run: RecordedRun) -> Iterable[Row]:
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
