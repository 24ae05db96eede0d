"""The two kinds of source: intensity of the grid, and harvest at a node.

A source returns a whole series at once; a gap, a stale value or an unknown zone raises an error and is never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from carbon_data.types import HarvestSeries, IntensitySeries


@runtime_checkable
class IntensitySource(Protocol):
    """Carbon intensity per zone."""

    def zones(self) -> Sequence[str]:
        """Zones this source can answer for, sorted."""
        ...

    def series(self, zone: str, start: datetime, step: timedelta, count: int) -> IntensitySeries:
        """Mean intensity over ``count`` intervals of ``step`` from ``start`` (aware UTC).

        Raises UnknownZoneError or MissingDataError; it never fills gaps.
        """
        ...


@runtime_checkable
class HarvestSource(Protocol):
    """Harvested power at one site."""

    def series(self, start: datetime, step: timedelta, count: int, seed: int) -> HarvestSeries:
        """Mean power in W over ``count`` intervals of ``step`` from ``start``; same seed, same series."""
        ...
