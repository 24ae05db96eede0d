"""Hourly generation by fuel in a zone, and the average intensity computed from it.

Average and marginal intensity come from the same joules and the same factors, so that they differ in the signal alone.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carbon_data.files.datasets import require
from carbon_data.sources.names import unknown_zone
from carbon_data.sources.table import Dialect, Table, read_table
from carbon_data.sources.trace_file import TraceFile, ZoneTrace, digest, form_of
from carbon_data.sources.window import Fill, cut
from carbon_data.types import DataError, IntensitySeries, MissingDataError, Origin, Provenance, Scope, Signal

DATASET = "generation-mix-2020-2021"
UNITS = ("_mw", "_mwh", "_gwh", "")
"""Endings that a fuel's column may have; only shares matter, so that any one unit is as good."""


@dataclass(frozen=True)
class Mix:
    """Generation of one zone on a regular grid, in one unit of power."""

    zone: str
    start: datetime
    interval: timedelta
    fuels: tuple[str, ...]
    """Those that the zone reports."""
    generation: NDArray[np.float64]
    """(T, F); NaN in hours without a value."""

    @property
    def end(self) -> datetime:
        """End of the last interval."""
        return self.start + len(self.generation) * self.interval


class GenerationFile:
    """Generation by fuel of a CSV(.gz) or Parquet file: a row a zone and time, a column a fuel.

    ``path``: None is the data folder's file of seven US zones. ``factors``: g CO2e per kWh by fuel, None the life-cycle
    ones of carbon_data/factors/fuels.toml; columns are named after the fuels, with or without ``_mw``.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        factors: Mapping[str, float] | None = None,
        scope: str = Scope.LIFE_CYCLE,
        timezone: str | None = None,
    ) -> None:
        if factors is None and scope != Scope.LIFE_CYCLE:
            raise DataError(
                f"scope is {scope!r}, and the packaged factors are life-cycle ones; give factors = {{ coal = ..., "
                "nat_gas = ... }} of that scope"
            )
        self.path = require(DATASET) if path is None else Path(path)
        self.factors = dict(fuel_factors() if factors is None else factors)
        if not self.factors or not all(value >= 0 and np.isfinite(value) for value in self.factors.values()):
            raise DataError(f"factors are {self.factors}; allowed are finite values >= 0, at least one fuel")
        self._table = read_table(self.path, Dialect())
        self._columns = {
            fuel: column
            for fuel in self.factors
            if (column := self._table.named(*(fuel + ending for ending in UNITS))) is not None
        }
        if not self._columns:
            raise DataError(
                f"{self.path} has the columns {', '.join(self._table.columns)}: none is named after a fuel of "
                f"{', '.join(self.factors)}; rename them, or give factors by the names there"
            )
        self._files = {
            fuel: TraceFile(
                self.path, form_of(value_column=column, timezone=timezone), table=_only(self._table, column)
            )
            for fuel, column in self._columns.items()
        }
        self._mixes: dict[str, Mix] = {}
        self._below: dict[str, dict[str, int]] = {}
        stated = path is None
        self.origin = Origin(
            source="EIA-930 generation by fuel of 2020 and 2021, through nesl/CarbonX"
            if stated
            else self.path.name,
            licence="public domain (US government); repository BSD-3-Clause" if stated else "not stated",
            scope=Scope(scope),
            provenance=Provenance.MODELLED,
            sha256=digest(self.path),
            url="https://github.com/nesl/CarbonX" if stated else None,
        )

    def zones(self) -> Sequence[str]:
        """Zones of the file, sorted."""
        return next(iter(self._files.values())).zones()

    def mix(self, zone: str) -> Mix:
        """All data of ``zone`` in the file. Raises UnknownZoneError, or MissingDataError for unusable stamps."""
        if zone not in self.zones():
            raise unknown_zone(zone, self.zones(), str(self.path))
        if zone not in self._mixes:
            traces = {fuel: file.trace(zone) for fuel, file in self._files.items()}
            reported = {fuel: trace for fuel, trace in traces.items() if not np.isnan(trace.values).all()}
            if not reported:
                raise MissingDataError(f"{self.path}, zone {zone}: no fuel has a value")
            first = next(iter(reported.values()))
            values = np.column_stack([trace.values for trace in reported.values()])
            below = (values < 0).sum(axis=0)
            self._below[zone] = {fuel: int(n) for fuel, n in zip(reported, below, strict=True) if n}
            values = np.where(values < 0, 0.0, values)
            self._mixes[zone] = Mix(zone, first.start, first.interval, tuple(reported), values)
        return self._mixes[zone]

    def notes(self, zone: str) -> tuple[str, ...]:
        """Notes: factors, fuels that ``zone`` does not report, and corrections of its values."""
        fuels = self.mix(zone).fuels
        told = ["g/kWh by fuel: " + ", ".join(f"{fuel} {self.factors[fuel]:g}" for fuel in fuels)]
        if absent := [fuel for fuel in self._columns if fuel not in fuels]:
            told.append(f"zone {zone} reports no {', '.join(absent)}")
        # pumped storage while it pumps, and a plant's own needs
        told += [
            f"zone {zone}: {fuel} below zero in {n} hours, taken as no generation"
            for fuel, n in self._below[zone].items()
        ]
        return tuple(told)

    def factors_of(self, mix: Mix) -> NDArray[np.float64]:
        """(F,) g/kWh of the fuels of ``mix``."""
        return np.array([self.factors[fuel] for fuel in mix.fuels])


class GenerationAverage:
    """Average intensity from hourly generation by fuel; default: seven US zones, 2020 and 2021.

    Grams over kilowatt-hours generated in the zone; imports are left out. ``factors``: by fuel, with their ``scope``;
    ``fill`` as for source trace.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        factors: Mapping[str, float] | None = None,
        scope: str = Scope.LIFE_CYCLE,
        timezone: str | None = None,
        fill: str | None = None,
    ) -> None:
        self._file = GenerationFile(path, factors=factors, scope=scope, timezone=timezone)
        self._fill = Fill.parse(fill)

    def zones(self) -> Sequence[str]:
        """Zones of the file, sorted."""
        return self._file.zones()

    def series(self, zone: str, start: datetime, step: timedelta, count: int) -> IntensitySeries:
        """Time-weighted means over the intervals; see IntensitySource."""
        mix = self._file.mix(zone)
        total = mix.generation.sum(axis=1)
        grams = mix.generation @ self._file.factors_of(mix)
        average = np.divide(grams, total, out=np.full(len(total), np.nan), where=total > 0)
        begin, values, notes = cut(
            ZoneTrace(zone, mix.start, mix.interval, average), start, step, count, fill=self._fill
        )
        origin = replace(self._file.origin, signal=Signal.AVERAGE, notes=(*self._file.notes(zone), *notes))
        return IntensitySeries(zone=zone, start=begin, step=step, intensity_g_per_kwh=values, origin=origin)


def _only(table: Table, column: str) -> Table:
    """The table without the other fuels, whose units say that they are no intensity."""
    others = [name for name in table.columns if name.casefold().endswith(UNITS[:-1]) and name != column]
    return replace(table, frame=table.frame.drop(columns=others))


@cache
def fuel_factors() -> dict[str, float]:
    """Packaged life-cycle factors by fuel, g CO2e per kWh; each has a source."""
    text = (resources.files("carbon_data.factors") / "fuels.toml").read_text(encoding="utf-8")
    figures = {name: figure for name, figure in tomllib.loads(text).items() if isinstance(figure, dict)}
    without = [name for name, figure in figures.items() if not figure.get("source")]
    if without:
        raise DataError(f"factors/fuels.toml: {', '.join(without)} has no source")
    return {name: float(figure["value"]) for name, figure in figures.items()}
