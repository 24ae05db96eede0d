"""Harvest from a measured trace of output per unit of peak, scaled to a panel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from carbon_data.files.datasets import require
from carbon_data.sources.table import Table, read_table
from carbon_data.sources.trace_file import ZONE_COLUMNS, TraceFile, digest, form_of
from carbon_data.sources.traces import read_sidecar
from carbon_data.sources.window import Fill, cut
from carbon_data.types import DataError, HarvestSeries, MissingDataError, Origin, Provenance

MOST_NAMES = 20
"""Names that an error lists at most."""
NEGATIVE_BELIEVED_PU = 0.02
"""Metered plant output may be a little negative at night (its own consumption): up to this it counts as no
harvest.
"""


class HarvestTrace:
    """A measured trace of output per unit of peak (CSV or Parquet) times peak_w; gaps refused.

    ``column`` holds output over yearly peak, in 0..1; ``region`` is one of the file's, where it has several. Values
    between -0.02 and 0 are a plant's own consumption: they become 0, and a note says how many. Anything below, or
    above 1, is refused. Small output at night (as AZPS and MISO show for solar: other plant reported as solar) is left
    as reported. ``seed`` has no effect. Form of the file and of its time stamps: as for an intensity trace;
    ``time_start`` anchors time in seconds.
    """

    def __init__(
        self,
        path: str | Path,
        column: str | None = None,
        region: str | None = None,
        *,
        peak_w: float,
        source: str | None = None,
        licence: str | None = None,
        url: str | None = None,
        time_column: str | None = None,
        zone_column: str | None = None,
        interval_s: float | None = None,
        separator: str | None = None,
        decimal: str | None = None,
        encoding: str | None = None,
        timezone: str | None = None,
        time_start: str | None = None,
        fill: str | None = None,
    ) -> None:
        if not (math.isfinite(peak_w) and peak_w >= 0):
            raise DataError(f"peak_w is {peak_w}; allowed is a finite value >= 0")
        path = Path(path)
        sha256 = digest(path)
        about = read_sidecar(path)
        self._peak_w = peak_w
        self._fill = Fill.parse(fill)
        form = form_of(
            time_column=time_column,
            zone_column=zone_column,
            interval_s=interval_s,
            separator=separator,
            decimal=decimal,
            encoding=encoding,
            timezone=timezone,
            time_start=time_start,
        )
        table = read_table(path, form.dialect)
        column, region = _told(table, column, region, zone_column)
        alone = column in table.columns and (zone_column or table.named(*ZONE_COLUMNS)) is None
        file = TraceFile(
            path, replace(form, value_column=column), only_zone=region if alone else None, table=table
        )
        self._file_notes = file.notes
        self._trace = file.trace(region)
        if np.isnan(self._trace.values).all():
            raise MissingDataError(
                f"{path} has no {column} of {region} at all; choose another region or column"
            )
        self._origin = Origin(
            source=f"{source or about.get('source') or path.name}: {column} of {region}, times {peak_w:g} W",
            licence=licence or about.get("licence") or "not stated",
            provenance=Provenance.REPLAYED,
            sha256=sha256,
            url=url or about.get("url"),
        )

    def period(self) -> tuple[datetime, datetime]:
        """Start and end of the trace."""
        return self._trace.start, self._trace.end

    def series(self, start: datetime, step: timedelta, count: int, seed: int) -> HarvestSeries:
        """Mean power in W over ``count`` intervals. MissingDataError outside the period or at a gap."""
        begin, per_unit, notes = cut(self._trace, start, step, count, fill=self._fill)
        bad = (per_unit < -NEGATIVE_BELIEVED_PU) | (per_unit > 1.0)
        if bad.any():
            where = begin + int(np.argmax(bad)) * step
            raise MissingDataError(
                f"{self._origin.source}: {per_unit[np.argmax(bad)]:g} per unit at {where.isoformat()}; "
                "allowed is 0..1, and down to "
                f"-{NEGATIVE_BELIEVED_PU:g} for a plant's own consumption"
            )
        negative = int((per_unit < 0).sum())
        if negative:
            notes += (
                f"{negative} intervals slightly negative (own consumption of the plant) count as no harvest",
            )
        origin = Origin(
            source=self._origin.source,
            licence=self._origin.licence,
            provenance=Provenance.REPLAYED,
            sha256=self._origin.sha256,
            url=self._origin.url,
            notes=(*self._file_notes, *notes),
        )
        power_w = np.maximum(per_unit, 0.0) * self._peak_w
        return HarvestSeries(start=begin, step=step, power_w=power_w, origin=origin)


def _told(table: Table, column: str | None, region: str | None, zone_column: str | None) -> tuple[str, str]:
    """Column and region to read; a file of one place needs no region. Raises DataError with what the file has."""
    zones = zone_column or table.named(*ZONE_COLUMNS)
    if column is None:
        raise DataError(
            f"{table.path}: column is not given; it has {_listed(table.columns)}: name the one with output over yearly "
            'peak, options = { column = "..." }'
        )
    if column not in table.columns:
        raise DataError(
            f"{table.path} has no column {column!r}; it has {_listed(table.columns)}: correct it, "
            'options = { column = "..." }'
        )
    if region is None and zones in table.columns:
        found = sorted(table.frame[zones].astype("string").str.strip().dropna().unique())
        raise DataError(
            f'{table.path}: region is not given; its column {zones!r} has {_listed(found)}: choose one, region = "..."'
        )
    return column, column if region is None else region


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def eia_2022(
    region: str | None = None, *, peak_w: float, kind: str = "solar", fill: str | None = None
) -> HarvestTrace:
    """Solar or wind output of 8 US balancing areas, hourly 2022 (EIA-930), per unit; data folder.

    NYIS has no solar and SOCO no wind; PJM, CISO and MISO have gaps (see ``fill``).
    """
    if kind not in ("solar", "wind"):
        raise DataError(f"kind is {kind!r}; allowed is solar or wind")
    return HarvestTrace(
        require("eia-solar-wind-2022"),
        column=f"{kind}_pu",
        region=region,
        peak_w=peak_w,
        source="EIA-930 generation by fuel, 2022",
        licence="public domain (US government); repository MIT",
        url="https://github.com/HewlettPackard/dc-rl",
        fill=fill,
    )
