"""Forecasts as they were issued: a file with rows of zone, time of issue, lead and value.

Lead k of an issue is the forecast of the interval that begins k steps after it. Nothing is interpolated: an issue ends
at its first absent value, and an issue without any value counts as not issued. Values slightly below zero, which models
produce, count as zero. ``notes`` states all three.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carbon_data.files.datasets import require
from carbon_data.sources.names import unknown_zone
from carbon_data.sources.resample import covering, interval_means
from carbon_data.sources.stamps import Clock, moment, to_utc_us
from carbon_data.sources.table import Dialect, read_table
from carbon_data.sources.trace_file import G_PER_KWH, ZONE_COLUMNS, digest, find_column, grams_factor
from carbon_data.sources.traces import _one_of, read_sidecar
from carbon_data.types import (
    HIGHEST_INTENSITY_G_PER_KWH,
    DataError,
    MissingDataError,
    Origin,
    Provenance,
    Scope,
    Signal,
)

ISSUED_COLUMNS = ("issued", "issued_at", "issue_time")
LEAD_COLUMNS = ("lead_h", "lead")
UNDERSHOOT_G_PER_KWH = 5.0
"""Lowest accepted value below zero: models undershoot where they forecast almost zero. Lower values are another
quantity and are refused (choice)."""
VALUE_COLUMNS = ("value", "g_per_kwh", "forecast_g_per_kwh")


@dataclass(frozen=True, slots=True)
class Issue:
    """Forecast of one zone, issued at one moment."""

    zone: str
    issued: datetime
    first: datetime
    """Start of the first interval; ``issued`` plus the smallest lead."""
    step: timedelta
    values: NDArray[np.float64]
    """g CO2e per kWh, one an interval."""

    @property
    def end(self) -> datetime:
        """End of the last interval."""
        return self.first + self.values.size * self.step

    def means(self, start: datetime, step: timedelta, count: int) -> NDArray[np.float64]:
        """Time-weighted means over the first intervals of ``count`` from ``start`` on, as many as the issue covers. An
        issue that begins later than ``start`` covers none."""
        covered = min(count, (self.end - start) // step)
        if covered < 1 or start < self.first:
            return np.empty(0)
        first, cells = covering(start, step, covered, self.step, self.first)
        low = (first - self.first) // self.step
        return interval_means(self.values[low : low + cells], first, self.step, start, step, covered)


class ForecastFile:
    """Issued forecasts of a CSV(.gz) or Parquet file; ``lead_unit_s`` is the length of one lead.

    ``scope`` (and ``signal``, average unless said) must be known: from the arguments, or from a sidecar
    ``<file>.toml`` with source, licence, signal and scope.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        value_column: str | None = None,
        zone_column: str | None = None,
        issued_column: str | None = None,
        lead_column: str | None = None,
        lead_unit_s: float = 3600.0,
        value_unit: str | None = None,
        signal: str | None = None,
        scope: str | None = None,
        source: str | None = None,
        licence: str | None = None,
        url: str | None = None,
        separator: str | None = None,
        decimal: str | None = None,
        encoding: str | None = None,
        timezone: str | None = None,
    ) -> None:
        self.path = Path(path)
        if not lead_unit_s > 0:
            raise DataError(f"lead_unit_s is {lead_unit_s}; allowed is more than 0")
        if value_unit is not None and value_unit not in G_PER_KWH:
            raise DataError(f"value_unit is {value_unit!r}; allowed are {', '.join(G_PER_KWH)}")
        self._unit = timedelta(seconds=lead_unit_s)
        sha256 = digest(self.path)
        about = read_sidecar(self.path)
        self.origin = Origin(
            source=source or about.get("source") or self.path.name,
            licence=licence or about.get("licence") or "not stated",
            signal=_one_of(Signal, signal or about.get("signal") or Signal.AVERAGE, "signal", self.path),
            scope=_one_of(Scope, scope or about.get("scope"), "scope", self.path),
            provenance=Provenance.MODELLED,
            sha256=sha256,
            url=url or about.get("url"),
        )
        table = read_table(self.path, Dialect(separator, decimal, encoding))
        column = find_column(table, value_column, VALUE_COLUMNS, "value_column")
        zones = find_column(table, zone_column, ZONE_COLUMNS, "zone_column")
        labels = table.frame[zones].astype("string").str.strip()
        if (labels.isna() | (labels == "")).any():
            row = int(np.argmax((labels.isna() | (labels == "")).to_numpy(dtype=bool)))
            raise DataError(f"{self.path}: row {row} has no zone; fill it in, or remove the row")
        made = find_column(table, issued_column, ISSUED_COLUMNS, "issued_column")
        self._issued, stamp_notes = to_utc_us(table.frame[made], Clock(timezone), str(self.path))
        self._read_notes = (*table.notes, *stamp_notes)
        leads = table.numbers(find_column(table, lead_column, LEAD_COLUMNS, "lead_column"), None)
        unusable = ~(leads >= 0) | (leads % 1 != 0)
        if unusable.any():
            row = int(np.argmax(unusable))
            raise DataError(
                f"{self.path}: row {row} has lead {leads[row]:g}; allowed are whole numbers from 0 on"
            )
        self._leads = leads.astype(np.int64)
        factor = grams_factor(self.path, column, value_unit)
        self._values = factor * table.numbers(column, None)
        wrong = (self._values < -UNDERSHOOT_G_PER_KWH) | (self._values > HIGHEST_INTENSITY_G_PER_KWH)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise MissingDataError(
                f"{self.path}: row {row} expects {self._values[row]:g} g/kWh; allowed are values from "
                f"{-UNDERSHOOT_G_PER_KWH:g} to {HIGHEST_INTENSITY_G_PER_KWH:g}, and none where there is no forecast"
            )
        self._rows: dict[str, NDArray[np.intp]] = {
            str(zone): np.asarray(rows, dtype=np.intp)
            for zone, rows in table.frame.groupby(labels, observed=True).indices.items()
        }
        self._found: dict[str, tuple[tuple[Issue, ...], tuple[str, ...]]] = {}

    def zones(self) -> list[str]:
        """Zones of the file, sorted."""
        return sorted(self._rows)

    def issues(self, zone: str) -> tuple[Issue, ...]:
        """All issues of ``zone`` that hold a value, oldest first. Raises UnknownZoneError or MissingDataError."""
        return self._of(zone)[0]

    def notes(self, zone: str) -> tuple[str, ...]:
        """Notes on missing values in the issues of ``zone``."""
        return self._of(zone)[1]

    def _of(self, zone: str) -> tuple[tuple[Issue, ...], tuple[str, ...]]:
        if zone not in self._rows:
            raise unknown_zone(zone, self._rows, str(self.path))
        if zone not in self._found:
            self._found[zone] = self._split(zone)
        return self._found[zone]

    def _split(self, zone: str) -> tuple[tuple[Issue, ...], tuple[str, ...]]:
        rows = self._rows[zone]
        order = rows[np.lexsort((self._leads[rows], self._issued[rows]))]
        issued, leads, values = self._issued[order], self._leads[order], self._values[order]
        below = int((values < 0).sum())
        values = np.where(values < 0, 0.0, values)
        edges = np.flatnonzero(np.diff(issued)) + 1
        issues, notes = [], Counter[str]()
        for made, own_leads, own in zip(
            (moment(stamp) for stamp in issued[np.concatenate([[0], edges])]),
            np.split(leads, edges),
            np.split(values, edges),
            strict=True,
        ):
            step = self._step(zone, made, own_leads)
            absent = np.flatnonzero(np.isnan(own))
            if absent.size:
                own = own[: absent[0]]
                notes[
                    "hold no value and count as not issued" if not own.size else "end before their last lead"
                ] += 1
            if own.size:
                first = made + int(own_leads[0]) * self._unit
                issues.append(Issue(zone, made, first, step, own))
        if not issues:
            raise MissingDataError(f"{self.path}, zone {zone}: no issue holds a value")
        told = [*self._read_notes]
        told += [f"zone {zone}: {count} issues {what}" for what, count in notes.items()]
        if below:
            told.append(f"zone {zone}: {below} values a little below zero taken as zero")
        return tuple(issues), tuple(told)

    def _step(self, zone: str, issued: datetime, leads: NDArray[np.int64]) -> timedelta:
        """Length of an interval of one issue; its leads must be evenly spaced."""
        steps = np.unique(np.diff(leads)) if leads.size > 1 else np.array([1])
        if steps.size != 1 or steps[0] == 0:
            what = "a lead twice" if steps[0] == 0 else "leads at uneven distances"
            raise MissingDataError(
                f"{self.path}, zone {zone}: the issue of {issued.isoformat()} has {what}; give each lead once, none "
                "left out (without a value where there is none)"
            )
        return int(steps[0]) * self._unit


@lru_cache(maxsize=2)
def sundial_2022() -> ForecastFile:
    """Forecasts of direct intensity for ten US zones, 2022: issued daily at 00:00 UTC, 96 leads of an hour (model
    Sundial, repository nesl/CarbonX); data folder. For use with source em-2021-2024, scope direct.
    """
    return ForecastFile(
        require("sundial-2022"),
        value_column="direct_g_per_kwh",
        signal=Signal.AVERAGE,
        scope=Scope.DIRECT,
        source="forecasts of model Sundial, issued daily, through nesl/CarbonX",
        licence="BSD-3-Clause (repository); made from Electricity Maps data, ODbL-1.0",
        url="https://github.com/nesl/CarbonX",
    )


FORECAST_DATASETS = {"sundial-2022": sundial_2022}
"""Issued forecasts of the data folder, by name."""
