"""What a live run left: each slot's intensity with its age, and the forecast that was known then (`signals.jsonl`).

The first line is ``{"format", "start", "step_s", "zones": {ZONE: origin}, "marginal": {ZONE: origin}}``, each other one
a slot, as it is in the run's ledger.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from carbon_data.sources.names import unknown_zone
from carbon_data.sources.trace_file import ZoneTrace, digest
from carbon_data.sources.window import cut
from carbon_data.types import DataError, IntensitySeries, Origin, Provenance, Scope, Signal

FORMAT = 1
PARTS = {"average": "zones", "marginal": "marginal"}


class RecordedIntensity:
    """Intensity of a live run, from the file signals.jsonl in its folder; a step is a slot of that run.

    ``part``: ``average`` (what decisions rested on) or ``marginal`` (the accounting column).
    """

    def __init__(self, path: str | Path, *, part: str = "average") -> None:
        if part not in PARTS:
            raise DataError(f"part is {part!r}; allowed are {' and '.join(PARTS)}")
        self._path, self._part = Path(path), PARTS[part]
        self._sha256 = digest(self._path)
        try:
            lines = [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]
            self._head, self._slots = lines[0], lines[1:]
            self._start = datetime.fromisoformat(self._head["start"])
            self._step = timedelta(seconds=self._head["step_s"])
            self._rows = {
                zone: [_row_of(slot[self._part], zone) for slot in self._slots]
                for zone in self._head[self._part]
            }
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise DataError(
                f"{self._path} is no record of live intensities ({type(error).__name__}: {error}); give the file "
                "signals.jsonl of a run"
            ) from error
        if self._head.get("format") != FORMAT or not self._slots:
            raise DataError(
                f"{self._path} has format {self._head.get('format')!r} and {len(self._slots)} slots"
            )

    @property
    def slots(self) -> int:
        """Number of recorded slots."""
        return len(self._slots)

    def zones(self) -> Sequence[str]:
        """Recorded zones, sorted."""
        return sorted(self._rows)

    def series(self, zone: str, start: datetime, step: timedelta, count: int) -> IntensitySeries:
        """The recorded values; see IntensitySource. Their time is that of the traces of the recorded run."""
        values = np.array([row["g_per_kwh"] for row in self.rows(zone)], dtype=float)
        trace = ZoneTrace(zone, self._start, self._step, values)
        begin, means, _ = cut(trace, start, step, count)
        return IntensitySeries(
            zone=zone, start=begin, step=step, intensity_g_per_kwh=means, origin=self._origin(zone)
        )

    def rows(self, zone: str) -> list[Mapping[str, Any]]:
        """What each slot took, as recorded. Raises UnknownZoneError."""
        if zone not in self._rows:
            raise unknown_zone(zone, self._rows, str(self._path))
        return self._rows[zone]

    def began(self) -> list[str]:
        """When each slot began, ISO 8601."""
        return [str(slot["at"]) for slot in self._slots]

    def require_slots(self, start: datetime, step: timedelta, count: int) -> None:
        """Raises DataError unless slots of ``step`` from ``start`` on are the recorded ones."""
        if start != self._start or step != self._step or count > self.slots:
            raise DataError(
                f"{self._path} holds {self.slots} slots of {self._step} from {self._start.isoformat()}, asked for are "
                f"{count} of {step} from {start.isoformat()}; keep [time] and [stages] of the recorded run"
            )

    def _origin(self, zone: str) -> Origin:
        told = self._head[self._part][zone]
        origin = Origin(
            source=str(told["source"]),
            licence=str(told["licence"]),
            signal=Signal(told["signal"]),
            scope=Scope(told["scope"]),
            provenance=Provenance.REPLAYED,
            sha256=self._sha256,
            url=told.get("url"),
        )
        notes = (told["notes"],) if told.get("notes") else ()
        return replace(origin, notes=(*notes, f"recorded live from {self.began()[0]} to {self.began()[-1]}"))


def _row_of(rows: Sequence[Mapping[str, Any]], zone: str) -> Mapping[str, Any]:
    return next(row for row in rows if row["zone"] == zone)
