"""Packaged intensity profiles: month x hour-of-day means of a real year, for use without any data file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carbon_data.profiles.sidecar import FOLDER, Table, read_table
from carbon_data.sources.names import unknown_zone
from carbon_data.sources.resample import check_request, covering, interval_means
from carbon_data.types import DataError, IntensitySeries, Origin, Provenance, Scope, Signal

HOUR = timedelta(hours=1)
LONGEST_STEP = timedelta(days=31)


class PackagedProfiles:
    """Mean intensity by month and hour of day (2022, UTC) for about thirty zones; needs no data file.

    An interval takes the value of the month and hour of day it lies in; one that covers several hours takes
    their time-weighted mean. Steps up to 31 days are answered: beyond a month the hour of day says nothing.
    Any year is answered with the same profile; for another year the origin's ``stand_in`` says so.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._table = read_table("intensity_2022", folder)
        self._profiles = _profiles(self._table)
        annual = read_table("intensity_2022_annual", folder)
        self._annual = {row["zone"]: float(row["mean_g_per_kwh"]) for row in annual.rows}

    def zones(self) -> Sequence[str]:
        """Zones that have a profile, sorted."""
        return sorted(self._profiles)

    def annual_mean_g_per_kwh(self, zone: str) -> float:
        """Mean over the whole year, g CO2e per kWh."""
        self._profile(zone)
        return self._annual[zone]

    def series(self, zone: str, start: datetime, step: timedelta, count: int) -> IntensitySeries:
        """Profile of ``zone`` over ``count`` intervals; see IntensitySource. Raises UnknownZoneError."""
        profile = self._profile(zone)
        begin = check_request(start, step, count)
        if step > LONGEST_STEP:
            raise DataError(
                f"step is {step}; profiles answer up to {LONGEST_STEP.days} days; use annual_mean_g_per_kwh"
            )
        first, hours = covering(begin, step, count, HOUR)
        moments = np.datetime64(first.replace(tzinfo=None), "h") + np.arange(hours)
        months = moments.astype("datetime64[M]").astype(np.int64) % 12
        hour_of_day = moments.astype(np.int64) % 24
        values = interval_means(profile[months, hour_of_day], first, HOUR, begin, step, count)
        origin = replace(self._origin(zone), stand_in=self._stand_in(begin, begin + count * step))
        return IntensitySeries(zone=zone, start=begin, step=step, intensity_g_per_kwh=values, origin=origin)

    def _profile(self, zone: str) -> NDArray[np.float64]:
        try:
            return self._profiles[zone]
        except KeyError:
            raise unknown_zone(zone, self._profiles, "the packaged profiles") from None

    def _stand_in(self, begin: datetime, end: datetime) -> str | None:
        """Where the request is not of the profile's year."""
        year, last = int(self._table.about["year"]), (end - timedelta(microseconds=1)).year
        if begin.year == last == year:
            return None
        asked = str(begin.year) if begin.year == last else f"{begin.year} to {last}"
        return (
            f"packaged intensity profiles of {year} stand in for {asked}: means by month and hour of another year; set "
            f"time.start within {year}, or give a trace of {asked} ([intensity] source)"
        )

    def _origin(self, zone: str) -> Origin:
        about = self._table.about
        quality = tuple(note for note in about["quality"] if note.startswith(f"{zone} "))
        return Origin(
            source=about["source"],
            licence=about["licence"],
            signal=Signal(about["signal"]),
            scope=Scope(about["scope"]),
            provenance=Provenance.REPLAYED,
            sha256=self._table.sha256,
            url=about["url"],
            notes=(
                f"mean profile of {about['year']} by month and hour of day (UTC)",
                about["attribution"],
                *quality,
            ),
        )


def _profiles(table: Table) -> dict[str, NDArray[np.float64]]:
    """(12, 24) array of every zone; a hole in the table is an error."""
    arrays: dict[str, NDArray[np.float64]] = {}
    for row in table.rows:
        array = arrays.setdefault(row["zone"], np.full((12, 24), np.nan))
        array[int(row["month"]) - 1] = [float(row[f"h{hour:02d}"]) for hour in range(24)]
    holes = sorted(zone for zone, array in arrays.items() if not np.isfinite(array).all())
    if holes:
        raise DataError(f"the profile table lacks months of {', '.join(holes)}; rebuild it")
    return arrays


@cache
def packaged_profiles() -> PackagedProfiles:
    """The one shared instance: profiles never change while a program runs."""
    return PackagedProfiles()
