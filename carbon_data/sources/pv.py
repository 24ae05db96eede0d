"""Solar harvest: clear sky and panel geometry from pvlib, clouds from a seeded process (``clearness``)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from carbon_data.sources.clearness import Clearness
from carbon_data.sources.resample import EPOCH, check_request
from carbon_data.sources.sites import Site, site_of_zone
from carbon_data.types import DataError, HarvestSeries, Origin, Provenance

FINEST = timedelta(minutes=15)
"""The sun is placed at the middle of pieces no longer than this ([C]). Against pieces of a minute, on clear
June and December days from India to Stockholm, a day's energy is within 0.1 % and an hour's mean within 0.1
% of peak power.
"""
MAX_PIECES = 500_000
REFERENCE_CELL_C = 25.0
MICROSECONDS_PER_HOUR = 3_600_000_000


@dataclass(frozen=True)
class PvHarvest:
    """Photovoltaic panel: site, tilt, azimuth, peak power and losses; pvlib clear sky times seeded clouds.

    Clear-sky global irradiance (Ineichen and Perez with pvlib's own Linke turbidity) times the clear-sky
    index is split by Erbs' model, laid on the panel (isotropic sky) and turned to DC power by PVWatts.
    Never negative, zero while the sun is below the horizon. The charge controller belongs to
    ``system_loss_fraction`` (0.14: PVWatts' default).
    """

    site: Site
    peak_w: float
    tilt_deg: float
    azimuth_deg: float
    """Degrees east of north: 180 faces south."""
    system_loss_fraction: float = 0.14
    albedo_fraction: float = 0.25
    air_temperature_c: float | None = None
    """Mean air temperature for the cell temperature (Faiman, wind 1 m/s); None leaves cells at 25 C, as
    rated.
    """
    power_temperature_per_c: float = -0.004
    """Change of power with cell temperature above 25 C, a fraction per C (crystalline silicon)."""
    clearness: Clearness = field(default_factory=Clearness)

    def __post_init__(self) -> None:
        allowed = {
            "peak_w": (0.0, 1e9),
            "tilt_deg": (0.0, 90.0),
            "azimuth_deg": (0.0, 360.0),
            "system_loss_fraction": (0.0, 1.0),
            "albedo_fraction": (0.0, 1.0),
            "power_temperature_per_c": (-0.02, 0.0),
        }
        for name, (low, high) in allowed.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise DataError(f"{name} is {value}; allowed is {low:g}..{high:g}")
        if self.air_temperature_c is not None and not -60.0 <= self.air_temperature_c <= 60.0:
            raise DataError(f"air_temperature_c is {self.air_temperature_c}; allowed is -60..60")

    def series(self, start: datetime, step: timedelta, count: int, seed: int) -> HarvestSeries:
        """Mean power in W over ``count`` intervals; the same seed gives the same clouds."""
        begin = check_request(start, step, count)
        pieces = max(1, -(-step // FINEST))
        if pieces * count > MAX_PIECES:
            raise DataError(
                f"{count} intervals of {step} need {pieces * count} sun positions; allowed are {MAX_PIECES}"
            )
        piece_us = (step // timedelta(microseconds=1)) / pieces
        begin_us = (begin - EPOCH) // timedelta(microseconds=1)
        middles_us = np.round(begin_us + piece_us * (np.arange(pieces * count) + 0.5)).astype(np.int64)
        power = self._power_w(middles_us, seed)
        return HarvestSeries(
            start=begin, step=step, power_w=power.reshape(count, pieces).mean(axis=1), origin=self._origin()
        )

    def clear_sky(self) -> PvHarvest:
        """The same panel under a sky without clouds: astronomy, so that its future is known."""
        return replace(self, clearness=Clearness(mean_fraction=1.0, std_fraction=0.0, floor_fraction=0.0))

    def _power_w(self, moments_us: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        """Power at moments, microseconds since 1970."""
        # pvlib and pandas take a second to import; sources without panels do without.
        from pvlib import irradiance, pvsystem, temperature

        above = sky(self.site, moments_us.tobytes())
        ghi = above.clear_w_per_m2 * self._clear_sky_index(moments_us, seed)
        split = irradiance.erbs(ghi, above.zenith_deg, above.day_of_year)
        on_panel = irradiance.get_total_irradiance(
            self.tilt_deg,
            self.azimuth_deg,
            above.apparent_zenith_deg,
            above.azimuth_deg,
            np.asarray(split["dni"]),
            ghi,
            np.asarray(split["dhi"]),
            albedo=self.albedo_fraction,
        )["poa_global"]
        light = np.where(above.apparent_zenith_deg < 90.0, np.asarray(on_panel, dtype=np.float64), 0.0)
        light = np.maximum(light, 0.0)
        if self.air_temperature_c is None:
            cell_c: Any = REFERENCE_CELL_C
        else:
            cell_c = temperature.faiman(light, self.air_temperature_c, 1.0)
        rated = pvsystem.pvwatts_dc(light, cell_c, self.peak_w, self.power_temperature_per_c)
        return np.maximum(np.asarray(rated, dtype=np.float64), 0.0) * (1.0 - self.system_loss_fraction)

    def _clear_sky_index(self, moments_us: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        """Index of the solar hour each moment lies in, so that a cloudy *day* is a day at the site."""
        solar_us = moments_us + round(self.site.longitude_deg / 15.0 * MICROSECONDS_PER_HOUR)
        hours = solar_us // MICROSECONDS_PER_HOUR
        first = int(hours[0])
        return self.clearness.index(first, int(hours[-1]) - first + 1, seed)[hours - first]

    def _origin(self) -> Origin:
        clouds = self.clearness
        return Origin(
            source=f"pvlib: {self.peak_w:g} W peak at {self.site.name} ({self.site.latitude_deg:.2f}, "
            f"{self.site.longitude_deg:.2f}), tilt {self.tilt_deg:g} deg, azimuth {self.azimuth_deg:g} deg",
            licence="BSD-3-Clause (pvlib)",
            provenance=Provenance.MODELLED,
            url="https://pvlib-python.readthedocs.io",
            notes=(
                "Ineichen clear sky, Erbs split, PVWatts DC",
                f"clear-sky index drawn hourly: mean {clouds.mean_fraction:g}, std {clouds.std_fraction:g}",
                f"system losses {self.system_loss_fraction:g}",
            ),
        )


@dataclass(frozen=True)
class Sky:
    """Sun and clear sky over a site, by moment."""

    zenith_deg: NDArray[np.float64]
    apparent_zenith_deg: NDArray[np.float64]
    azimuth_deg: NDArray[np.float64]
    clear_w_per_m2: NDArray[np.float64]
    """Global horizontal irradiance."""
    day_of_year: NDArray[np.int32]


@lru_cache(maxsize=32)
def sky(site: Site, moments_us: bytes) -> Sky:
    """Over ``site`` at int64 microseconds since 1970. Kept: all panels of a zone, under every seed, share a sky."""
    import pandas as pd  # as above
    from pvlib.location import Location

    times = pd.DatetimeIndex(np.frombuffer(moments_us, np.int64).astype("datetime64[us]"), tz="UTC")
    place = Location(site.latitude_deg, site.longitude_deg, "UTC", site.altitude_m)
    sun: Any = place.get_solarposition(times)
    clear: Any = place.get_clearsky(times, model="ineichen", solar_position=sun)
    return Sky(
        zenith_deg=sun["zenith"].to_numpy(),
        apparent_zenith_deg=sun["apparent_zenith"].to_numpy(),
        azimuth_deg=sun["azimuth"].to_numpy(),
        clear_w_per_m2=clear["ghi"].to_numpy(),
        day_of_year=times.dayofyear.to_numpy(),
    )


def pv_harvest(
    peak_w: float,
    *,
    zone: str | None = None,
    latitude_deg: float | None = None,
    longitude_deg: float | None = None,
    altitude_m: float = 0.0,
    tilt_deg: float | None = None,
    azimuth_deg: float | None = None,
    system_loss_fraction: float = 0.14,
    air_temperature_c: float | None = None,
    clearness_mean_fraction: float = Clearness().mean_fraction,
    clearness_std_fraction: float = Clearness().std_fraction,
) -> PvHarvest:
    """Photovoltaic panel at a packaged zone's site or a latitude and longitude; seeded clouds.

    Without tilt and azimuth it faces the equator, tilted by the latitude up to 60 degrees ([C]: a rule of
    thumb for harvest over the whole year). Raises UnknownZoneError when the zone has no packaged site.
    """
    if latitude_deg is not None and longitude_deg is not None:
        site = Site("the given place", latitude_deg, longitude_deg, altitude_m)
    elif latitude_deg is not None or longitude_deg is not None:
        raise DataError("give both latitude_deg and longitude_deg, or a zone")
    elif zone is not None:
        site = site_of_zone(zone)
    else:
        raise DataError("pv needs a place: give a zone, or latitude_deg and longitude_deg")
    if tilt_deg is None:
        tilt_deg = math.floor(min(60.0, abs(site.latitude_deg)))
    if azimuth_deg is None:
        azimuth_deg = 180.0 if site.latitude_deg >= 0 else 0.0
    return PvHarvest(
        site=site,
        peak_w=peak_w,
        tilt_deg=tilt_deg,
        azimuth_deg=azimuth_deg,
        system_loss_fraction=system_loss_fraction,
        air_temperature_c=air_temperature_c,
        clearness=Clearness(clearness_mean_fraction, clearness_std_fraction),
    )
