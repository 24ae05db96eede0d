"""Reader of a trace file: CSV(.gz) or Parquet, long or wide, into one clean series per zone.

Checked here: columns, time stamps with a zone, no stamp twice, stamps on one regular grid, headers
that name another unit. Rows may be in any order. Gaps stay gaps (NaN); the caller that requests the series decides how
to treat them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carbon_data.sources.names import unknown_zone
from carbon_data.sources.resample import microseconds
from carbon_data.sources.stamps import Clock, moment, to_utc_us
from carbon_data.sources.table import Dialect, Table, read_table
from carbon_data.types import DataError, MissingDataError

TIME_COLUMNS = (
    "timestamp",
    "datetime",
    "time",
    "datetime (utc)",
    "datetime_utc",
    "utc_timestamp",
    "utc time",
)
ZONE_COLUMNS = ("zone", "region", "zone_key", "zone id", "zone_id")
G_PER_KWH = {"g/kWh": 1.0, "kg/MWh": 1.0, "kg/kWh": 1000.0, "t/MWh": 1000.0, "lb/MWh": 0.45359237}
"""Accepted units of intensity, in g/kWh (a pound is 453.59237 g by definition)."""
_UNIT = re.compile(
    r"(?<![a-z])(g|grams?|kg|t|tonnes?|tons?|lbs?)[ _]?(?:co2|co₂)?(?:e|eq)?[ _]?(?:/|per)[ _]?(k|m)wh",
    re.IGNORECASE,
)
_NO_INTENSITY = re.compile(
    r"\b(?:[kMGT]?W(?:h|p)?|percent|price|EUR|USD|generation|demand|load|capacity|°C)\b|%", re.IGNORECASE
)
"""Units and words of a header that is no intensity."""
_INTENSITY = re.compile(r"(?:intensity|co2|co₂|carbon)", re.IGNORECASE)


@dataclass(frozen=True)
class ZoneTrace:
    """Values of one zone on a regular grid from ``start``; NaN is a gap."""

    zone: str
    start: datetime
    interval: timedelta
    values: NDArray[np.float64]

    @property
    def end(self) -> datetime:
        """End of the last interval."""
        return self.start + self.values.size * self.interval


@dataclass(frozen=True, slots=True)
class Form:
    """Given format of a file; None: found among the usual names, or detected."""

    value_column: str | None = None
    time_column: str | None = None
    zone_column: str | None = None
    interval: timedelta | None = None
    dialect: Dialect = field(default_factory=Dialect)
    clock: Clock = field(default_factory=Clock)


class TraceFile:
    """A trace file in memory.

    Long: one row a zone and time (time, zone, value). Wide: one column a zone. Names of the time and zone
    columns are found among the usual ones, in any capitals, unless given; a wide file has no zone column,
    and every other column is a zone. ``usual_values``: names of the value column to look for. ``only_zone``: the file
    holds this zone alone, and its value column needs no zone's name. ``table``: the file as it is read already.
    """

    def __init__(
        self,
        path: Path,
        form: Form,
        *,
        usual_values: tuple[str, ...] = (),
        only_zone: str | None = None,
        table: Table | None = None,
    ) -> None:
        self.path = path
        self.sha256 = digest(path)
        self._interval = form.interval
        self.table = read_table(path, form.dialect) if table is None else table
        time = find_column(self.table, form.time_column, TIME_COLUMNS, "time_column")
        zones = form.zone_column or self.table.named(*ZONE_COLUMNS)
        self._stamps, notes = to_utc_us(self.table.frame[time], form.clock, str(path))
        self.notes = (*self.table.notes, *notes)
        self._value_column: str | None = None
        if form.zone_column is not None and form.zone_column not in self.table.columns:
            raise DataError(
                f"{path} has no column {form.zone_column!r}; it has {', '.join(self.table.columns)}: correct "
                "zone_column"
            )
        self._groups: dict[str, NDArray[np.intp] | None]
        if zones is not None:
            self._value_column = find_column(self.table, form.value_column, usual_values, "value_column")
            self._groups = self._by_zone(zones)
        elif only_zone is not None:
            self._value_column = self._single_value(form.value_column, usual_values, time)
            self._groups = {only_zone: None}
        else:
            self._groups = {name: None for name in self.table.columns if name != time}
        if not self._groups:
            raise DataError(f"{path} holds no zone: it has no column but {time!r}")
        if only_zone is not None and zones is not None and only_zone not in self._groups:
            raise DataError(
                f"{path} holds {', '.join(sorted(self._groups)[:5])}, not {only_zone}; correct files"
            )
        self._traces: dict[str, ZoneTrace] = {}

    def _by_zone(self, column: str) -> dict[str, NDArray[np.intp] | None]:
        labels = self.table.frame[column].astype("string").str.strip()
        empty = (labels.isna() | (labels == "")).to_numpy(dtype=bool)
        if empty.any():
            raise DataError(
                f"{self.path}: row {int(np.argmax(empty))} has no {column}; fill it in, or remove the row"
            )
        groups = self.table.frame.groupby(labels, observed=True).indices
        return {str(zone): np.asarray(rows, dtype=np.intp) for zone, rows in groups.items()}

    def _single_value(self, named: str | None, usual: tuple[str, ...], time: str) -> str:
        """The value column of a file that holds one zone."""
        if named is not None:
            return find_column(self.table, named, (), "value_column")
        others = [name for name in self.table.columns if name != time]
        found = self.table.named(*usual) or (others[0] if len(others) == 1 else None)
        if found is None:
            raise DataError(
                f"{self.path} has the columns {', '.join(others)}: say which holds the values, e.g. value_column = "
                f'"{others[0] if others else "value"}"'
            )
        return found

    def zones(self) -> list[str]:
        """Zones of the file, sorted."""
        return sorted(self._groups)

    def value_column(self, zone: str) -> str:
        """Header over the values of ``zone``."""
        return self._value_column or zone

    def between(self, zone: str, begin: datetime, end: datetime) -> NDArray[np.intp]:
        """Rows of ``zone`` whose stamps lie in [begin, end)."""
        rows = self._groups[zone]
        index = np.arange(self._stamps.size) if rows is None else np.asarray(rows)
        stamps = self._stamps[index]
        return index[(stamps >= microseconds(begin)) & (stamps < microseconds(end))]

    def trace(self, zone: str) -> ZoneTrace:
        """The whole series of ``zone``. Raises UnknownZoneError, or MissingDataError when its stamps are
        not usable.
        """
        if zone not in self._groups:
            raise unknown_zone(zone, self._groups, str(self.path))
        if zone not in self._traces:
            self._traces[zone] = self._regular(zone)
        return self._traces[zone]

    def _regular(self, zone: str) -> ZoneTrace:
        rows = self._groups[zone]
        stamps = self._stamps if rows is None else self._stamps[rows]
        try:
            numbers = self.table.numbers(self.value_column(zone), rows)
        except DataError as error:
            raise DataError(f"zone {zone}: {error}") from None
        order = np.argsort(stamps, kind="stable")
        stamps, numbers = stamps[order], numbers[order]
        steps = np.diff(stamps)
        if (steps == 0).any():
            twice = moment(stamps[int(np.argmax(steps == 0))])
            raise MissingDataError(
                f"{self.path}, zone {zone}: {twice.isoformat()} occurs twice; remove one of the rows, the "
                "file cannot say which"
            )
        if np.isinf(numbers).any():
            where = moment(stamps[int(np.argmax(np.isinf(numbers)))])
            raise MissingDataError(f"{self.path}, zone {zone}: infinite value at {where.isoformat()}")
        interval_us = self._interval_us(zone, steps)
        offsets = stamps - stamps[0]
        if (offsets % interval_us != 0).any():
            where = moment(stamps[int(np.argmax(offsets % interval_us != 0))])
            raise MissingDataError(
                f"{self.path}, zone {zone}: {where.isoformat()} is off the grid of "
                f"{timedelta(microseconds=interval_us)} from "
                f"{moment(stamps[0]).isoformat()}; give regular stamps (each names the start of its "
                "interval)"
            )
        values = np.full(int(offsets[-1] // interval_us) + 1, np.nan)
        values[offsets // interval_us] = numbers
        return ZoneTrace(zone, moment(stamps[0]), timedelta(microseconds=interval_us), values)

    def _interval_us(self, zone: str, steps: NDArray[np.int64]) -> int:
        """The given interval, or the most frequent distance of two stamps."""
        if self._interval is not None:
            return self._interval // timedelta(microseconds=1)
        if steps.size == 0:
            raise MissingDataError(
                f"{self.path}, zone {zone}: one row only; give the interval it stands for: interval_s"
            )
        sizes, counts = np.unique(steps, return_counts=True)
        return int(sizes[np.argmax(counts)])


def unit_of_header(header: str) -> str | None:
    """The unit of G_PER_KWH that ``header`` names, e.g. ``kg/kWh`` for ``kgCO2_per_kWh``; None where it names none."""
    found = _UNIT.search(header)
    if found is None:
        return None
    mass = found[1].lower()
    mass = (
        "g"
        if mass.startswith("g")
        else "lb"
        if mass.startswith("lb")
        else "t"
        if mass.startswith("t")
        else "kg"
    )
    unit = f"{mass}/{found[2].lower()}Wh".replace("/mWh", "/MWh")
    return unit if unit in G_PER_KWH else None


def names_another_unit(header: str) -> str | None:
    """The unit or word in ``header`` that no intensity has, e.g. ``MW``; None for one that may be an intensity."""
    if _INTENSITY.search(header) or unit_of_header(header) is not None:
        return None
    found = _NO_INTENSITY.search(header.replace("_", " "))
    return None if found is None else found[0]


def grams_factor(path: Path, header: str, unit: str | None) -> float:
    """g/kWh in one unit of the values under ``header``. Raises DataError where the header names another unit."""
    if (word := names_another_unit(header)) is not None:
        raise DataError(
            f"{path}: column {header!r} is no intensity, its header says {word}; name the intensity's column in "
            "value_column"
        )
    named = unit_of_header(header)
    if unit is None and named is not None and G_PER_KWH[named] != 1.0:
        raise DataError(f'{path}: column {header!r} is in {named}, not g/kWh; give value_unit = "{named}"')
    if unit is not None and named is not None and G_PER_KWH[named] != G_PER_KWH[unit]:
        raise DataError(
            f"{path}: column {header!r} is in {named}, value_unit says {unit}; correct one of them"
        )
    return 1.0 if unit is None else G_PER_KWH[unit]


def digest(path: Path) -> str:
    """sha256 of a file, hex. Raises DataError where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; give the path of a CSV or Parquet file") from None
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror}; give the path of a CSV or Parquet file"
        ) from error


def find_column(table: Table, named: str | None, usual: tuple[str, ...], option: str) -> str:
    """The column called ``named``, or the first of the usual ones, in any capitals."""
    found = (named if named in table.columns else None) if named is not None else table.named(*usual)
    if found is not None:
        return found
    missing = repr(named) if named is not None else " or ".join(repr(name) for name in usual[:3])
    hint = f'name it: {option} = "..."'
    if len(table.columns) == 1:
        hint = (
            f'if its columns are not separated by {table.separator!r}, give separator, e.g. separator = ";"'
        )
    raise DataError(f"{table.path} has no column {missing}; it has {', '.join(table.columns)}: {hint}")


def form_of(
    *,
    value_column: str | None = None,
    time_column: str | None = None,
    zone_column: str | None = None,
    interval_s: float | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    timezone: str | None = None,
    time_start: str | None = None,
) -> Form:
    """Format described by a source's options. Raises DataError for values that are not allowed."""
    if interval_s is not None and not interval_s > 0:
        raise DataError(f"interval_s is {interval_s}; allowed is more than 0")
    return Form(
        value_column=value_column,
        time_column=time_column,
        zone_column=zone_column,
        interval=None if interval_s is None else timedelta(seconds=interval_s),
        dialect=Dialect(separator, decimal, encoding),
        clock=Clock(timezone, time_start),
    )
