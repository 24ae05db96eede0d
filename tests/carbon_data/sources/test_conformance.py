"""Conformance checks of sources, for any implementation, also outside this repository."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from carbon_data.sources.conformance import harvest_violations, intensity_violations
from carbon_data.types import HarvestSeries, IntensitySeries, Origin

START = datetime(2022, 6, 21, tzinfo=UTC)
ORIGIN = Origin(source="test", licence="none needed")


class SilentFiller:
    """A source with violations: answers unknown zones, ignores the window, draws without a seed."""

    def zones(self) -> Sequence[str]:
        return ["B", "A"]

    def series(self, zone: str, start: datetime, step: timedelta, count: int) -> IntensitySeries:
        start = start.replace(tzinfo=UTC)
        return IntensitySeries(zone, start, step, np.arange(max(count, 1), dtype=float), ORIGIN)


class UnseededHarvest:
    def __init__(self) -> None:
        self._random = np.random.default_rng(1)

    def series(self, start: datetime, step: timedelta, count: int, seed: int) -> HarvestSeries:
        return HarvestSeries(start, step, self._random.random(count), ORIGIN)


def test_the_suite_finds_a_source_that_fills_gaps() -> None:
    found = " | ".join(intensity_violations(SilentFiller(), START))
    for complaint in (
        "not sorted",
        "average or marginal",
        "later window",
        "unknown zone is answered",
        "without a zone is",
    ):
        assert complaint in found


def test_the_suite_finds_a_harvest_that_ignores_its_seed() -> None:
    assert "the same seed gives two series" in harvest_violations(UnseededHarvest(), START)
