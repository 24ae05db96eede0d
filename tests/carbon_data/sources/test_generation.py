"""Hourly generation by fuel in a zone, and the average intensity computed from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from carbon_data.sources.generation import GenerationAverage, GenerationFile, fuel_factors
from carbon_data.sources.marginal import GenerationMarginal
from carbon_data.types import Scope, Signal
from tests.carbon_data.sources.generation_files import grid, written

START = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = 366
GAS_SHARE = {"day": 0.7, "night": 0.2}
"""Gas's share of every change, by day (6 to 17 h UTC) and by night; coal has the rest."""


def test_average_and_marginal_have_the_same_factors_and_say_which_they_are(tmp_path: Path) -> None:
    path = written(tmp_path, grid())
    average = GenerationAverage(path).series("Z", START, HOUR, 30)
    marginal = GenerationMarginal(path).series("Z", START, HOUR, 30)
    assert (average.origin.signal, marginal.origin.signal) == (Signal.AVERAGE, Signal.MARGINAL)
    assert average.origin.scope is marginal.origin.scope is Scope.LIFE_CYCLE
    mix = GenerationFile(path).mix("Z")
    row = dict(zip(mix.fuels, mix.generation[5], strict=True))
    grams = sum(row[fuel] * fuel_factors()[fuel] for fuel in row)
    assert average.intensity_g_per_kwh[5] == pytest.approx(grams / sum(row.values()))
    assert marginal.intensity_g_per_kwh[[10, 22]] == pytest.approx([589.0, 754.0])
    assert any("standard error" in note for note in marginal.origin.notes)
    assert any("not what one more kWh causes" in note for note in marginal.origin.notes)
