"""Intensity from hourly trace files: those of the data folder and anybody's own."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from carbon_data.datasets import require
from carbon_data.sources.trace_file import TraceFile
from carbon_data.sources.window import Fill, cut, longest_run
from carbon_data.types import DataError, IntensitySeries, Origin, Provenance, Scope, Signal

LONGEST_FLAT_H = 24.0
"""Longest stretch of one value that is believed of an unknown file ([C]: no mixed grid holds still for a
day).
"""


class TraceIntensity:
    """Intensity from a CSV(.gz) or Parquet file, long or wide; the file's period only, gaps refused.

    ``signal`` and ``scope`` must be known: from the arguments, or from a sidecar ``<file>.toml`` with
    source, licence, signal and scope. ``fill`` is None or e.g. ``interpolate:3h``; ``longest_flat_h`` None
    believes any stretch of one value, and notes it.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        signal: str | None = None,
        scope: str | None = None,
        source: str | None = None,
        licence: str | None = None,
        url: str | None = None,
        value_column: str = "gCO2e_per_kWh",
        time_column: str | None = None,
        zone_column: str | None = None,
        interval_s: float | None = None,
        fill: str | None = None,
        longest_flat_h: float | None = LONGEST_FLAT_H,
    ) -> None:
        path = Path(path)
        self._fill = Fill.parse(fill)
        self._longest_flat = None if longest_flat_h is None else timedelta(hours=longest_flat_h)
        interval = None if interval_s is None else timedelta(seconds=interval_s)
        if interval is not None and interval <= timedelta(0):
            raise DataError(f"interval_s is {interval_s}; allowed is more than 0")
        about = read_sidecar(path)
        self._file = TraceFile(
            path, value_column, time_column=time_column, zone_column=zone_column, interval=interval
        )
        self._origin = Origin(
            source=source or about.get("source") or path.name,
            licence=licence or about.get("licence") or "not stated",
            signal=_one_of(Signal, signal or about.get("signal"), "signal", path),
            scope=_one_of(Scope, scope or about.get("scope"), "scope", path),
            provenance=Provenance.REPLAYED,
            sha256=self._file.sha256,
            url=url or about.get("url"),
        )

    def zones(self) -> Sequence[str]:
        """Zones of the file, sorted."""
        return self._file.zones()

    def period(self, zone: str) -> tuple[datetime, datetime]:
        """Start and end of what the file has of ``zone``."""
        trace = self._file.trace(zone)
        return trace.start, trace.end

    def series(self, zone: str, start: datetime, step: timedelta, count: int) -> IntensitySeries:
        """Time-weighted means of the trace over ``count`` intervals; see IntensitySource.

        Raises UnknownZoneError, and MissingDataError outside the file's period, at a gap, or where a value
        is stale.
        """
        trace = self._file.trace(zone)
        begin, values, notes = cut(
            trace, start, step, count, fill=self._fill, longest_flat=self._longest_flat
        )
        run, since = longest_run(values)
        if self._longest_flat is None and run * step > timedelta(hours=LONGEST_FLAT_H):
            notes += (
                f"zone {zone}: {values[since]:g} throughout {run * step} from "
                f"{(begin + since * step).isoformat()}",
            )
        origin = Origin(
            source=self._origin.source,
            licence=self._origin.licence,
            signal=self._origin.signal,
            scope=self._origin.scope,
            provenance=self._origin.provenance,
            sha256=self._origin.sha256,
            url=self._origin.url,
            notes=notes,
        )
        return IntensitySeries(zone=zone, start=begin, step=step, intensity_g_per_kwh=values, origin=origin)


def em_lca_2022(fill: str | None = None, longest_flat_h: float | None = None) -> TraceIntensity:
    """Hourly life-cycle intensity of 123 zones, 2022 (Electricity Maps); data folder.

    Some hydro zones truly hold one value for days (US-NW-SCL all year), so that flat stretches are noted,
    not refused.
    """
    return TraceIntensity(
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
    return TraceIntensity(
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


def read_sidecar(path: Path) -> dict[str, Any]:
    """Content of ``<file>.toml`` beside a trace file, empty when there is none."""
    sidecar = path.with_name(path.name + ".toml")
    if not sidecar.is_file():
        return {}
    try:
        return tomllib.loads(sidecar.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
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
