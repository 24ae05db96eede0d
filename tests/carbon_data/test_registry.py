"""Sources by name, and the conformance suite itself: it must find the violations that it checks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from carbon_data.sources.base import HarvestSource, IntensitySource
from carbon_data.sources.conformance import harvest_violations, intensity_violations
from carbon_data.sources.constant import ConstantIntensity
from carbon_data.sources.registry import (
    HARVEST_SOURCES,
    INTENSITY_SOURCES,
    describe,
    harvest_source,
    intensity_source,
)
from carbon_data.types import DataError, HarvestSeries, IntensitySeries, Origin

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


@pytest.mark.parametrize("registry", [INTENSITY_SOURCES, HARVEST_SOURCES])
def test_every_entry_says_in_one_line_what_it_is(registry: dict[str, object]) -> None:
    for name, line in describe(registry).items():  # type: ignore[arg-type]
        assert line.endswith("."), name
        assert len(line) < 140, name


def test_a_source_out_of_tree_is_named_by_its_path() -> None:
    source = intensity_source(
        "carbon_data.sources.constant:ConstantIntensity", intensity_g_per_kwh={"X": 1.0}
    )
    assert isinstance(source, ConstantIntensity)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("nonsense", {}, "there are profiles, constant"),
        ("no.such.module:Name", {}, "cannot be imported"),
        ("carbon_data.units:Nothing", {}, "cannot be imported"),
        ("carbon_data.units:MICRO", {}, "not something that makes"),
        ("builtins:dict", {}, "it is no intensity source"),
        ("datetime:timedelta", {}, "it is no intensity source"),
        ("carbon_data.types:Origin", {"source": "a", "licence": "b"}, "without zones, series"),
        ("profiles", {"colour": "red"}, "its options are folder"),
        ("constant", {}, "intensity_g_per_kwh"),
    ],
)
def test_wrong_names_and_options_are_clear_errors(name: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        intensity_source(name, **options)


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


def test_naming_sources_does_not_import_slow_libraries() -> None:
    slow = "{'pvlib', 'pandas', 'scipy'}"
    code = f"import sys, carbon_data.sources.registry; print(sorted({slow} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
