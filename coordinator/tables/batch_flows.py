"""Table ``batch_flows``: batches that moved between two nodes."""

from __future__ import annotations

from collections.abc import Iterable

from coordinator.tables.recorded import RecordedRun, Row
from coordinator.tables.schema import BATCH_FLOWS


def batch_rows(run: RecordedRun) -> Iterable[Row]:
    """Batches that really moved, as the slot's end knew them; sent ones of a slot still open are left out."""
    for slot, end in sorted(run.ends.items()):
        for parcel in end["parcels"]:
            yield {"slot": slot, **{name: parcel[name] for name in BATCH_FLOWS.names[1:]}}
