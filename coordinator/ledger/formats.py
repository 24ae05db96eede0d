"""Formats of the ledger file: what is written now, and what older versions wrote and this one still reads.

Format 1 booked emissions in micrograms (unit ``ug``, document keys ``..._ug``), and a reading held one service at
most, and how many requests. Its chain and digests are checked on the stored text; everything else sees its amounts in
picograms and its services as a list, so that only this file knows of it. What its bookings call ``tokens`` is read by
coordinator.slots.delivered.delivered_by_service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coordinator.ledger.entry import Posting, Unit


@dataclass(frozen=True, slots=True)
class Format:
    """How a file stores emissions: ``picograms`` per stored unit."""

    name: str
    emissions_unit: str
    picograms: int
    has_columns: bool = False
    """Whether entries have blocks of columns, in a table of their own."""

    @property
    def units(self) -> frozenset[str]:
        """Units that postings of this format may have."""
        return frozenset({str(Unit.MICROJOULES), self.emissions_unit})

    def posting(self, account: str, unit: str, amount: Any) -> Posting:
        """A stored posting, in today's units. Raises ValueError for a unit that is not of this format."""
        if unit not in self.units:
            raise ValueError(f"unit {unit!r} is not one of {sorted(self.units)}")
        if unit != self.emissions_unit:
            return Posting(account, Unit(unit), amount)
        return Posting(account, Unit.PICOGRAMS, amount * self.picograms)

    def document(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A stored document with emissions in picograms, those of its lines and of its summary, and what a reading
        served as a list of services."""
        if self.picograms == 1:
            return body
        changed = dict(body)
        if isinstance(body.get("lines"), Sequence):
            changed["lines"] = [self._in_picograms(line, "operational") for line in body["lines"]]
        if isinstance(body.get("summary"), Mapping):
            changed["summary"] = self._in_picograms(body["summary"], "emissions")
        if "serving" in body:
            changed["serving"] = [] if body["serving"] is None else [body["serving"]]
            # A number, which the services have too. Today it is every request to a language model.
            changed.pop("requests", None)
        return changed

    def _in_picograms(self, row: Mapping[str, Any], name: str) -> dict[str, Any]:
        changed = dict(row)
        stored = f"{name}_{self.emissions_unit}"
        if stored in changed:
            changed[f"{name}_pg"] = changed.pop(stored) * self.picograms
        return changed


CURRENT = Format("detabed-ledger-2", str(Unit.PICOGRAMS), 1)
MICROGRAMS = Format("detabed-ledger-1", "ug", 1_000_000)
COLUMNS = Format("detabed-ledger-3", str(Unit.PICOGRAMS), 1, has_columns=True)
"""Of virtual fleets: a slot is one entry with columns. Documents and postings as in CURRENT."""
READABLE = {known.name: known for known in (CURRENT, MICROGRAMS, COLUMNS)}
