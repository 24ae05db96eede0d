"""Conformance checks of sources, for any implementation, also outside this repository.

Each check returns one sentence per violation; an empty list means that the source conforms. Use in a test:
``assert intensity_violations(MySource(...), start=...) == []``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np

from carbon_data.sources.base import HarvestSource, IntensitySource
from carbon_data.types import DataError, HarvestSeries, IntensitySeries, UnknownZoneError

HOUR = timedelta(hours=1)
NO_SUCH_ZONE = "NO-SUCH-ZONE-0"


def intensity_violations(
    source: IntensitySource, start: datetime, zone: str | None = None, hours: int = 48
) -> list[str]:
    """Violations of IntensitySource by ``source`` over ``hours`` from ``start`` (a whole UTC hour) in
    ``zone`` (default: the first).
    """
    found: list[str] = []
    zones = list(source.zones())
    if not zones:
        return ["zones() is empty"]
    if zones != sorted(set(zones)):
        found.append("zones() is not sorted, or names a zone twice")
    zone = zone or zones[0]

    def ask(begin: datetime, step: timedelta, count: int) -> IntensitySeries:
        return source.series(zone, begin, step, count)

    series = ask(start, HOUR, hours)
    found += _common(series, series.intensity_g_per_kwh, start, hours)
    if series.zone != zone:
        found.append(f"asked for zone {zone}, the series says {series.zone}")
    if series.origin.signal is None or series.origin.scope is None:
        found.append("the origin does not say whether it is average or marginal, direct or life-cycle")
    values = series.intensity_g_per_kwh
    if not np.array_equal(values, ask(start, HOUR, hours).intensity_g_per_kwh):
        found.append("the same question gets two answers")
    found += _windows(lambda b, s, n: ask(b, s, n).intensity_g_per_kwh, values, start, hours)
    found += _refuses(ask, start)
    try:
        source.series(NO_SUCH_ZONE, start, HOUR, 1)
        found.append("an unknown zone is answered")
    except UnknownZoneError:
        pass
    except Exception as error:
        found.append(f"an unknown zone raises {type(error).__name__}, not UnknownZoneError")
    return found


def harvest_violations(source: HarvestSource, start: datetime, hours: int = 48, seed: int = 1) -> list[str]:
    """Violations of HarvestSource by ``source`` over ``hours`` from ``start`` (a whole UTC hour)."""

    def ask(begin: datetime, step: timedelta, count: int) -> HarvestSeries:
        return source.series(begin, step, count, seed)

    series = ask(start, HOUR, hours)
    values = series.power_w
    found = _common(series, values, start, hours)
    if not np.array_equal(values, ask(start, HOUR, hours).power_w):
        found.append("the same seed gives two series")
    found += _windows(lambda b, s, n: ask(b, s, n).power_w, values, start, hours)
    found += _refuses(ask, start)
    return found


def _common(series: Any, values: Any, start: datetime, hours: int) -> list[str]:
    found = []
    if values.shape != (hours,):
        found.append(f"asked for {hours} intervals, got shape {values.shape}")
    if not np.isfinite(values).all() or (values < 0).any():
        found.append("a value is negative or not finite")
    if series.start != start or series.start.utcoffset() != timedelta(0):
        found.append(
            f"asked from {start.isoformat()}, the series starts at {series.start.isoformat()}; it must be UTC"
        )
    if series.step != HOUR:
        found.append(f"asked for steps of an hour, the series has {series.step}")
    if values.flags.writeable:
        found.append("the values can be overwritten; set them read-only")
    if not series.origin.source or not series.origin.licence:
        found.append("the origin names no source or no licence")
    return found


def _windows(
    ask: Callable[[datetime, timedelta, int], Any], values: Any, start: datetime, hours: int
) -> list[str]:
    """A part of a series, and a coarser or finer one, must agree with the whole."""
    found = []
    half = hours // 2
    if not np.allclose(ask(start + half * HOUR, HOUR, hours - half), values[half:], rtol=1e-9, atol=1e-12):
        found.append("a later window of the same period differs from the earlier one")
    pairs = 2 * (hours // 2)
    coarse = ask(start, 2 * HOUR, pairs // 2)
    if not np.allclose(coarse, values[:pairs].reshape(-1, 2).mean(axis=1), rtol=1e-6, atol=1e-9):
        found.append("means over two hours are not the means of the hours")
    fine = ask(start, HOUR / 4, 4 * hours)
    if not np.allclose(np.reshape(fine, (hours, 4)).mean(axis=1), values, rtol=1e-6, atol=1e-9):
        found.append("quarter hours do not add up to hours")
    east = timezone(timedelta(hours=9))
    if not np.array_equal(ask(start.astimezone(east), HOUR, hours), values):
        found.append("the same moment in another time zone gets another answer")
    return found


def _refuses(ask: Callable[[datetime, timedelta, int], Any], start: datetime) -> list[str]:
    found = []
    nonsense = (
        ("a time without a zone", start.astimezone(UTC).replace(tzinfo=None), HOUR, 1),
        ("a step of zero", start, timedelta(0), 1),
        ("a negative step", start, -HOUR, 1),
        ("no interval at all", start, HOUR, 0),
    )
    for what, begin, step, count in nonsense:
        try:
            ask(begin, step, count)
            found.append(f"{what} is accepted")
        except DataError:
            continue
        except Exception as error:
            found.append(f"{what} raises {type(error).__name__}, not DataError")
    return found
