"""Marginal intensity estimated from hourly generation by fuel (methods.md section 4, M1 to M3).

Hour by hour, a change of the load that plants must follow is met by changes of their generation: the regression of
each fuel's change on the change of them all gives the fuels' shares at the margin, and with their factors the marginal
intensity. The method is that of Hawkes (2010) and of Siler-Evans, Azevedo and Morgan (2012), on generation instead of
stack readings. It measures correlation within the zone, not the effect of one more kilowatt-hour: imports, curtailed
wind and sun, water saved for another hour and future plants are not covered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carbon_data.sources.generation import GenerationFile, Mix
from carbon_data.sources.resample import check_request, covering, interval_means
from carbon_data.types import DataError, IntensitySeries, MissingDataError, Scope, Signal

RESPONDING = {
    "net-load": "all fuels but wind and solar, which follow the weather",
    "fossil": "coal, gas and oil alone: water used now is missing later",
}
"""What may follow a change of load, by the name of the option."""
WEATHER = frozenset({"wind", "solar"})
FOSSIL = frozenset({"coal", "nat_gas", "gas", "oil"})
SEASONS = ("winter", "spring", "summer", "autumn")
"""Of the northern half, from December, March, June and September on."""
HOURS = 24
HOUR = timedelta(hours=1)
METHOD = (
    "marginal estimate by regression of hourly changes of generation, by season and hour of day, after Hawkes (2010, "
    "Energy Policy 38) and Siler-Evans, Azevedo and Morgan (2012, Environ. Sci. Technol. 46)"
)
WEAKNESS = (
    "what went together in the zone, not what one more kWh causes; imports, curtailment, stored water and new plants "
    "are left out"
)


@dataclass(frozen=True)
class MarginalEstimate:
    """Marginal intensity of one zone by season and hour of day (UTC), with its uncertainty."""

    zone: str
    fuels: tuple[str, ...]
    """Those that respond."""
    shares: NDArray[np.float64]
    """(4, 24, F) s_f of (M1): share of each fuel in a change; they add up to 1."""
    g_per_kwh: NDArray[np.float64]
    """(4, 24) m of (M2)."""
    standard_error: NDArray[np.float64]
    """(4, 24) of (M3), days as clusters: hours of one day err together."""
    r2: float
    """Share of the changes of emissions that the estimate explains."""
    changes: int
    """Number of hourly changes used."""
    start: datetime
    end: datetime


class GenerationMarginal:
    """Marginal intensity estimated from hourly generation by fuel; default: seven US zones, 2020 and 2021.

    A regression; its standard errors and its weakness are in the origin's notes.

    ``responding``: ``net-load`` (all fuels but wind and solar) or ``fossil``. ``factors`` (by fuel, with their
    ``scope``) as for generation-average. ``other_years`` answers for times outside the file's period with the same
    seasons and hours, and notes it.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        responding: str = "net-load",
        factors: Mapping[str, float] | None = None,
        scope: str = Scope.LIFE_CYCLE,
        timezone: str | None = None,
        other_years: bool = False,
    ) -> None:
        if responding not in RESPONDING:
            raise DataError(f"responding is {responding!r}; allowed are {' and '.join(RESPONDING)}")
        self._file = GenerationFile(path, factors=factors, scope=scope, timezone=timezone)
        self._responding = responding
        self._other_years = other_years
        self._estimates: dict[str, MarginalEstimate] = {}

    def zones(self) -> Sequence[str]:
        """Zones of the file, sorted."""
        return self._file.zones()

    def estimate(self, zone: str) -> MarginalEstimate:
        """The estimate of ``zone``. Raises UnknownZoneError, or MissingDataError where there is nothing to estimate."""
        if zone not in self._estimates:
            mix = self._file.mix(zone)
            self._estimates[zone] = estimate(mix, self._file.factors_of(mix), self._responding)
        return self._estimates[zone]

    def series(self, zone: str, start: datetime, step: timedelta, count: int) -> IntensitySeries:
        """The estimate of each interval's season and hours; see IntensitySource."""
        found = self.estimate(zone)
        begin = check_request(start, step, count)
        end = begin + count * step
        outside = begin < found.start or end > found.end
        if outside and not self._other_years:
            raise MissingDataError(
                f"zone {zone}: asked for {begin.isoformat()} to {end.isoformat()}, the estimate rests on "
                f"{found.start.isoformat()} to {found.end.isoformat()}; choose a start within it, or set other_years = "
                "true to use it for another year"
            )
        first, cells = covering(begin, step, count, HOUR)
        moments = np.datetime64(first.replace(tzinfo=None), "h") + np.arange(cells)
        season, hour = season_hour(moments)
        values = interval_means(found.g_per_kwh[season, hour], first, HOUR, begin, step, count)
        notes = [
            METHOD,
            f"following load: {RESPONDING[self._responding]}",
            f"zone {zone}: R2 {found.r2:.3f}, standard error of a season and hour "
            f"{np.median(found.standard_error):.1f} (median) to {found.standard_error.max():.1f} g/kWh",
            WEAKNESS,
        ]
        if outside:
            notes.append(
                f"zone {zone}: estimated on {found.start.year} to {(found.end - HOUR).year}, used for {begin.year}"
            )
        origin = replace(
            self._file.origin,
            source=f"marginal estimate from {self._file.origin.source}",
            signal=Signal.MARGINAL,
            notes=(*self._file.notes(zone), *notes),
        )
        return IntensitySeries(zone=zone, start=begin, step=step, intensity_g_per_kwh=values, origin=origin)


def estimate(mix: Mix, factors: NDArray[np.float64], responding: str) -> MarginalEstimate:
    """(M1) to (M3) for one zone. A season's hour rests on the changes into it and out of it."""
    if mix.interval != HOUR:
        raise DataError(
            f"zone {mix.zone}: generation is given every {mix.interval}; the estimate needs hours"
        )
    follows = [
        k
        for k, fuel in enumerate(mix.fuels)
        if (fuel in FOSSIL if responding == "fossil" else fuel not in WEATHER)
    ]
    if not follows:
        raise MissingDataError(
            f"zone {mix.zone} reports {', '.join(mix.fuels)}: no fuel that follows the load ({RESPONDING[responding]})"
        )
    change = np.diff(mix.generation[:, follows], axis=0)
    load = change.sum(axis=1)
    known = np.isfinite(load)
    moments = np.datetime64(mix.start.replace(tzinfo=None), "h") + np.arange(len(mix.generation))
    season, hour = season_hour(moments)
    day = moments.astype("datetime64[D]").astype(np.int64)
    factor = factors[follows]
    shares = np.empty((len(SEASONS), HOURS, len(follows)))
    error = np.empty((len(SEASONS), HOURS))
    for s in range(len(SEASONS)):
        for h in range(HOURS):
            at = np.flatnonzero((season == s) & (hour == h))
            # change t leads from hour t to t + 1: those into and out of each hour of the bin
            into, out_of = at[at > 0] - 1, at[at < len(load)]
            steps = np.concatenate([into, out_of])
            days = np.concatenate([day[at[at > 0]], day[out_of]])
            steps, days = steps[known[steps]], days[known[steps]]
            x = load[steps]
            if (squares := float(x @ x)) == 0.0:
                raise MissingDataError(
                    f"zone {mix.zone}: no change of generation in {SEASONS[s]} at {h:02d} h UTC: nothing to estimate"
                )
            shares[s, h] = x @ change[steps] / squares  # (M1)
            left = change[steps] @ factor - (shares[s, h] @ factor) * x
            by_day = np.bincount(days - days.min(), weights=left * x)
            error[s, h] = np.sqrt(by_day @ by_day) / squares  # (M3)
    marginal = shares @ factor  # (M2)
    if (marginal < 0).any():
        s, h = divmod(int(np.argmin(marginal)), HOURS)
        raise DataError(
            f"zone {mix.zone}: the estimate for {SEASONS[s]} at {h:02d} h UTC is {marginal[s, h]:.0f} g/kWh (standard "
            f"error {error[s, h]:.0f}): its generation does not tell what follows the load; leave the zone out, or try "
            f"the other of responding = {' and '.join(RESPONDING)}"
        )
    grams = change[known] @ factor
    fitted = marginal[season[:-1][known], hour[:-1][known]] * load[known]
    return MarginalEstimate(
        zone=mix.zone,
        fuels=tuple(mix.fuels[k] for k in follows),
        shares=shares,
        g_per_kwh=marginal,
        standard_error=error,
        r2=float(1.0 - ((grams - fitted) ** 2).sum() / (grams**2).sum()) if grams.any() else 1.0,
        changes=int(known.sum()),
        start=mix.start,
        end=mix.end,
    )


def season_hour(moments: NDArray[np.datetime64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Season (0: from December on) and hour of day of every moment."""
    months = moments.astype("datetime64[M]").astype(np.int64) % 12
    return (months + 1) % 12 // 3, moments.astype("datetime64[h]").astype(np.int64) % HOURS
