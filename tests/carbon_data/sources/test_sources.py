"""Every registered source that needs nothing passes the conformance suite."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from carbon_data.sources.base import HarvestSource, IntensitySource
from carbon_data.sources.conformance import harvest_violations, intensity_violations
from carbon_data.sources.registry import (
    harvest_source,
    intensity_source,
)

START = datetime(2022, 6, 21, tzinfo=UTC)
OFFLINE_INTENSITY = {"profiles": {}, "constant": {"intensity_g_per_kwh": {"DE": 400.0}}}
OFFLINE_HARVEST = {"constant": {"power_w": 2.0}, "pv": {"peak_w": 10.0, "zone": "DE"}}


@pytest.mark.parametrize("name", OFFLINE_INTENSITY)
def test_intensity_sources_that_need_nothing_conform(name: str) -> None:
    source = intensity_source(name, **OFFLINE_INTENSITY[name])
    assert isinstance(source, IntensitySource)
    assert intensity_violations(source, START) == []


@pytest.mark.parametrize("name", OFFLINE_HARVEST)
def test_harvest_sources_that_need_nothing_conform(name: str) -> None:
    source = harvest_source(name, **OFFLINE_HARVEST[name])
    assert isinstance(source, HarvestSource)
    assert harvest_violations(source, START, hours=24) == []
