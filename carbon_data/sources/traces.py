"""Intensity from hourly trace files: those of the data folder and the user's own."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carbon_data.files.datasets import require
from carbon_data.sources import portal_export
from carbon_data.sources.names import unknown_zone
from carbon_data.sources.table import read_table
from carbon_data.sources.trace_file import (
    G_PER_KWH,
    ZONE_COLUMNS,
    Form,
    TraceFile,
    digest,
    form_of,
    grams_factor,
)
from carbon_data.sources.window import Fill, cut, longest_run
from carbon_data.types import (
    DataError,
    IntensitySeries,
    Origin,
    Provenance,
    Scope,
    Signal,
    UnknownZoneError,
)
from carbon_data.utf8 import not_utf8

ESTIMATED_COLUMN = "estimated"
"""Column that marks rows of a long file as estimates; a note states how many are in a request."""
VALUE_COLUMNS = (
    "gCO2e_per_kWh",
    "carbon_intensity",
    "carbonIntensity",
    "intensity_g_per_kwh",
    "gCO2_per_kWh",
    "carbon_intensity_gCO2_per_kWh",
)
"""Usual names of a column of intensities."""

LONGEST_FLAT_H = 24.0
"""Longest accepted run of one constant value in an unknown file ([C]: no mixed grid is constant for a day)."""


@dataclass(frozen=True, slots=True)
class _Cleaning:
    """What is done to the values of a file: gaps filled, flat stretches believed, units converted."""

    fill: Fill | None
    longest_flat: timedelta | None
    unit: str | None


class TraceIntensity:
    """Intensity from opened files, by zone; gaps are refused unless they may be filled.

    ``unnamed``: the one file's only zone is a name of ours, since the file has no zone column.
    """

    def __init__(self, files: Mapping[str, _Opened], cleaning: _Cleaning, *, unnamed: bool = False) -> None:
        self._files, self._cleaning, self._unnamed = files, cleaning, unnamed

    def zones(self) -> Sequence[str]:
        """Zones of the file or files, sorted."""
        return sorted(self._files)

    def period(self, zone: str) -> tuple[datetime, datetime]:
        """Start and end of what is known of ``zone``."""
        trace = self._of(zone).file.trace(zone)
        return trace.start, trace.end

    def series(self, zone: str, start: datetime, step: timedelta, count: int) -> IntensitySeries:
        """Time-weighted means of the trace over ``count`` intervals; see IntensitySource.

        Raises UnknownZoneError, and MissingDataError outside the file's period, at a gap, or where a value
        is stale.
        """
        opened = self._of(zone)
        factor = grams_factor(opened.file.path, opened.file.value_column(zone), self._cleaning.unit)
        begin, values, notes = cut(
            opened.file.trace(zone),
            start,
            step,
            count,
            fill=self._cleaning.fill,
            longest_flat=self._cleaning.longest_flat,
        )
        values = values * factor
        run, since = longest_run(values)
        if self._cleaning.longest_flat is None and run * step > timedelta(hours=LONGEST_FLAT_H):
            notes += (
                f"zone {zone}: {values[since]:g} throughout {run * step} from "
                f"{(begin + since * step).isoformat()}",
            )
        if factor != 1.0:
            notes += (f"values converted from {self._cleaning.unit}",)
        notes += _refuse_tiny(zone, values, opened, self._cleaning.unit)
        notes = (*opened.file.notes, *notes, *opened.estimates(zone, begin, begin + count * step))
        return IntensitySeries(
            zone=zone,
            start=begin,
            step=step,
            intensity_g_per_kwh=values,
            origin=replace(opened.origin, notes=notes),
        )

    def _of(self, zone: str) -> _Opened:
        if zone not in self._files:
            error = unknown_zone(zone, self._files, "the trace")
            if self._unnamed:
                (file,) = {one.file.path for one in self._files.values()}
                raise UnknownZoneError(
                    f"{error}. {file.name} has no zone column: if its values are those of {zone}, give files = "
                    f'{{ {zone} = "{file.name}" }} in place of path'
                )
            raise error
        return self._files[zone]


@dataclass(frozen=True, slots=True)
class _Said:
    """Options of the scenario for all files."""

    format: str | None
    signal: str | None
    scope: str | None
    source: str | None
    licence: str | None
    url: str | None
    allow_estimated: bool


@dataclass(frozen=True)
class _Opened:
    """A file, the origin of its figures, and its rows that are estimates."""

    file: TraceFile
    origin: Origin
    estimated: NDArray[np.bool_] | None

    def estimates(self, zone: str, begin: datetime, end: datetime) -> tuple[str, ...]:
        """A note on how many hours of the request are estimates of the source."""
        if self.estimated is None:
            return ()
        inside = self.file.between(zone, begin, end)
        many = int(self.estimated[inside].sum())
        return (f"zone {zone}: {many} of {inside.size} values are estimates of the source",) if many else ()


LOWEST_LIFE_CYCLE_G_PER_KWH = 5.0
"""No grid has a life-cycle average that is always below this ([C]: wind and hydropower alone are at about 11)."""


def _refuse_tiny(
    zone: str, values: NDArray[np.float64], opened: _Opened, unit: str | None
) -> tuple[str, ...]:
    """Raise DataError for life-cycle averages that look like kg/kWh; a note where direct ones may be."""
    highest = float(values.max())
    if (
        unit is not None
        or opened.origin.signal is not Signal.AVERAGE
        or not 0 < highest < LOWEST_LIFE_CYCLE_G_PER_KWH
    ):
        return ()
    hint = 'if they are kg/kWh, give value_unit = "kg/kWh"; if they are g/kWh, value_unit = "g/kWh"'
    if opened.origin.scope is Scope.LIFE_CYCLE:
        raise DataError(
            f"{opened.file.path}, zone {zone}: no value above {highest:g} g/kWh, less than any grid's life-cycle "
            f"average; {hint}"
        )
    return (f"zone {zone}: no value above {highest:g} g/kWh; {hint}",)


def _open(path: Path, form: Form, said: _Said, only_zone: str | None) -> _Opened:
    about = read_sidecar(path)
    sha256 = digest(path)
    table = read_table(path, form.dialect)
    estimated, source, licence, signal, scope = None, None, None, None, None
    if said.format == portal_export.FORMAT:
        scope = _one_of(Scope, said.scope or about.get("scope") or Scope.LIFE_CYCLE, "scope", path)
        columns = portal_export.columns_of(table, scope)
        form = replace(
            form,
            time_column=form.time_column or columns.time,
            zone_column=form.zone_column or columns.zone,
            value_column=form.value_column or columns.value,
        )
        source, licence, signal = portal_export.SOURCE, portal_export.LICENCE, Signal.AVERAGE
        estimated = portal_export.estimated_rows(table, columns)
    else:
        if (flag := table.named(ESTIMATED_COLUMN)) is not None and table.named(*ZONE_COLUMNS) is not None:
            estimated = portal_export.flagged(table, flag)
        if portal_export.looks_like_one(table):
            portal_export.refuse_test_mode(table, table.named("Data estimation method"))
            if form.value_column is None:
                raise DataError(
                    f"{path} looks like a download of the Electricity Maps data portal: give format = "
                    f'"{portal_export.FORMAT}"'
                )
    if estimated is None and not said.allow_estimated:
        raise DataError(
            f"{path}: allow_estimated = false has no effect, since no column says which values are estimates; remove "
            f'it, or give format = "{portal_export.FORMAT}" for a download of its portal'
        )
    if estimated is not None and not said.allow_estimated and estimated.any():
        raise DataError(
            f"{path}: {int(estimated.sum())} of {estimated.size} rows are estimates, the first is row "
            f"{int(np.argmax(estimated))}; allow_estimated = false refuses them"
        )
    file = TraceFile(path, form, usual_values=VALUE_COLUMNS, only_zone=only_zone, table=table)
    origin = Origin(
        source=said.source or about.get("source") or source or path.name,
        licence=said.licence or about.get("licence") or licence or "not stated",
        signal=_one_of(Signal, said.signal or about.get("signal") or signal, "signal", path),
        scope=_one_of(Scope, said.scope or about.get("scope") or scope, "scope", path),
        provenance=Provenance.REPLAYED,
        sha256=sha256,
        url=said.url or about.get("url"),
    )
    return _Opened(file, origin, estimated)


def trace_intensity(
    path: str | Path | None = None,
    *,
    files: Mapping[str, str | Path] | None = None,
    format: str | None = None,
    signal: str | None = None,
    scope: str | None = None,
    source: str | None = None,
    licence: str | None = None,
    url: str | None = None,
    value_column: str | None = None,
    value_unit: str | None = None,
    time_column: str | None = None,
    zone_column: str | None = None,
    interval_s: float | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    timezone: str | None = None,
    time_start: str | None = None,
    fill: str | None = None,
    longest_flat_h: float | None = LONGEST_FLAT_H,
    allow_estimated: bool = True,
) -> TraceIntensity:
    """Intensity from a CSV(.gz) or Parquet file, long or wide, or from one file a zone; gaps refused.

    ``path``, or ``files``: the file of each zone. ``format = "electricity-maps"``: a download of its data portal as it
    is. ``signal`` and ``scope`` must be known: from the arguments, the format, or a sidecar ``<file>.toml`` with
    source, licence, signal and scope. ``fill`` is None or e.g. ``interpolate:3h``; ``longest_flat_h`` None believes
    any stretch of one value, and notes it. ``value_unit``: g/kWh, kg/kWh, kg/MWh, t/MWh or lb/MWh. Separator, decimal
    mark and encoding are recognised unless given; ``timezone`` is that of stamps without one, ``time_start`` what
    seconds count from. ``allow_estimated`` False refuses hours that the format marks as estimates.
    """
    if (path is None) == (not files):
        raise DataError(
            'give path = "FILE", or files = { DE = "FILE", FR = "FILE" } for one file a zone; one of them'
        )
    if format not in (None, portal_export.FORMAT):
        raise DataError(
            f"format is {format!r}; allowed is {portal_export.FORMAT!r}, or none with the columns named"
        )
    if value_unit is not None and value_unit not in G_PER_KWH:
        raise DataError(f"value_unit is {value_unit!r}; allowed are {', '.join(G_PER_KWH)}")
    longest_flat = None if longest_flat_h is None else timedelta(hours=longest_flat_h)
    cleaning = _Cleaning(Fill.parse(fill), longest_flat, value_unit)
    form = form_of(
        value_column=value_column,
        time_column=time_column,
        zone_column=zone_column,
        interval_s=interval_s,
        separator=separator,
        decimal=decimal,
        encoding=encoding,
        timezone=timezone,
        time_start=time_start,
    )
    said = _Said(format, signal, scope, source, licence, url, allow_estimated)
    if path is None:
        assert files is not None
        opened = {zone: _open(Path(name), form, said, zone) for zone, name in files.items()}
        return TraceIntensity(opened, cleaning)
    one = _open(Path(path), form, said, None)
    zones = one.file.zones()
    unnamed = len(zones) == 1 and one.file.table.named(*VALUE_COLUMNS) is not None
    return TraceIntensity(dict.fromkeys(zones, one), cleaning, unnamed=unnamed)


def em_lca_2022(fill: str | None = None, longest_flat_h: float | None = None) -> TraceIntensity:
    """Hourly life-cycle intensity of 123 zones, 2022 (Electricity Maps); data folder.

    Some hydro zones truly hold one value for days (US-NW-SCL all year), so that flat stretches are noted,
    not refused.
    """
    return trace_intensity(
        require("em-lca-2022"),
        signal=Signal.AVERAGE,
        scope=Scope.LIFE_CYCLE,
        source="Electricity Maps, hourly flow-traced carbon intensity of 2022",
        licence="ODbL-1.0",
        url="https://github.com/umassos/decarbonization-potential",
        fill=fill,
        longest_flat_h=longest_flat_h,
    )


def eia_production_2022(
    fill: str | None = None, longest_flat_h: float | None = LONGEST_FLAT_H
) -> TraceIntensity:
    """Hourly production-based life-cycle intensity of 8 US balancing areas, 2022 (EIA-930); data folder.

    Life-cycle, since the origin weights generation by the medians of IPCC 2014 (coal 820, gas 490, other
    230, solar 41, wind 11 g/kWh): its rows give exactly those. PJM lacks 23 hours, CISO and MISO 3 each: a
    period with one of them is refused unless ``fill`` allows a repair.
    """
    return trace_intensity(
        require("eia-production-2022"),
        signal=Signal.AVERAGE,
        scope=Scope.LIFE_CYCLE,
        source="EIA-930 generation by fuel of 2022, production-based, weighted by IPCC 2014 life-cycle "
        "medians",
        licence="public domain (US government); repository MIT",
        url="https://github.com/HewlettPackard/dc-rl",
        fill=fill,
        longest_flat_h=longest_flat_h,
    )


def em_2021_2024(
    scope: str = Scope.LIFE_CYCLE, fill: str | None = None, longest_flat_h: float | None = None
) -> TraceIntensity:
    """Hourly intensity of the ten reference zones, 2021 to 2024, ``scope`` direct or life-cycle (Electricity Maps);
    data folder.

    Hydro zones hold zero (direct) for days: flat stretches are noted, not refused. 237 hours have no value: a period
    with one of them is refused unless ``fill`` allows a repair.
    """
    columns = {Scope.DIRECT: "direct_g_per_kwh", Scope.LIFE_CYCLE: "lifecycle_g_per_kwh"}
    path = require("em-2021-2024")
    which: Scope = _one_of(Scope, scope, "scope", path)
    return trace_intensity(
        path,
        signal=Signal.AVERAGE,
        scope=which,
        value_column=columns[which],
        source=f"Electricity Maps, hourly {which} intensity 2021 to 2024, through nesl/CarbonX",
        licence="ODbL-1.0",
        url="https://github.com/nesl/CarbonX",
        fill=fill,
        longest_flat_h=longest_flat_h,
    )


def read_sidecar(path: Path) -> dict[str, Any]:
    """Content of ``<file>.toml`` beside a trace file, empty when there is none."""
    sidecar = path.with_name(path.name + ".toml")
    if not sidecar.is_file():
        return {}
    try:
        return tomllib.loads(sidecar.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(f"{sidecar} {not_utf8(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{sidecar} cannot be read as TOML: {error}") from error


def _one_of(kind: Any, text: str | None, name: str, path: Path) -> Any:
    allowed = " or ".join(str(member) for member in kind)
    if text is None:
        raise DataError(
            f"{name} of {path} is not known; give {name} = {allowed}, or write it into {path.name}.toml"
        )
    try:
        return kind(text)
    except ValueError:
        raise DataError(f"{name} of {path} is {text!r}; allowed is {allowed}") from None
