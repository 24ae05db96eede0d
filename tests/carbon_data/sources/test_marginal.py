"""Average and marginal intensity from generation by fuel: the same factors, never mixed, with their uncertainty."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carbon_data.files.datasets import DatasetState, dataset, status_of
from carbon_data.sources.conformance import intensity_violations
from carbon_data.sources.generation import GenerationAverage
from carbon_data.sources.marginal import GenerationMarginal
from carbon_data.sources.registry import intensity_source
from carbon_data.types import DataError, MissingDataError, Scope
from tests.carbon_data.sources.generation_files import grid, written

START = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = 366
GAS_SHARE = {"day": 0.7, "night": 0.2}
"""Gas's share of every change, by day (6 to 17 h UTC) and by night; coal has the rest."""


def test_the_estimate_of_a_grid_with_a_known_margin(tmp_path: Path) -> None:
    """By day 0.7 x 490 + 0.3 x 820, by night 0.2 x 490 + 0.8 x 820; sun has no share, however much it varies."""
    source = GenerationMarginal(written(tmp_path, grid()))
    found = source.estimate("Z")
    assert found.fuels == ("coal", "nat_gas", "nuclear")
    assert found.shares.sum(axis=2) == pytest.approx(np.ones((4, 24)))
    assert found.g_per_kwh[:, 8:16] == pytest.approx(np.full((4, 8), 589.0))
    assert found.g_per_kwh[:, 20:24] == pytest.approx(np.full((4, 4), 754.0))
    assert found.standard_error[:, 8:16].max() < 1e-6
    assert found.r2 > 0.99
    assert found.changes == 24 * DAYS - 1


def test_the_standard_error_covers_the_truth(tmp_path: Path) -> None:
    """Gas with its own random changes: two standard errors contain 589 in about 95 of 100 bins."""
    inside = []
    for seed in range(4):
        found = GenerationMarginal(written(tmp_path, grid(seed, noise=30.0))).estimate("Z")
        error = found.standard_error[:, 8:16]
        assert (error > 0.5).all()
        # the random part is also a part of the load and shifts the true value to the share of both variances
        truth = 820.0 - 330.0 * (0.7 * 100.0**2 + 30.0**2) / (100.0**2 + 30.0**2)
        inside.append(np.abs(found.g_per_kwh[:, 8:16] - truth) < 2.0 * error)
    assert 0.88 < np.mean(inside) < 0.995


def test_sources_conform(tmp_path: Path) -> None:
    path = written(tmp_path, grid())
    for source in (GenerationAverage(path), GenerationMarginal(path)):
        assert intensity_violations(source, START + 40 * HOUR) == []


def test_factors_of_ones_own_need_their_scope(tmp_path: Path) -> None:
    path = written(tmp_path, grid())
    direct = GenerationMarginal(
        path, factors={"nat_gas": 400.0, "coal": 1000.0, "nuclear": 0.0}, scope="direct"
    )
    series = direct.series("Z", START, HOUR, 24)
    assert series.origin.scope is Scope.DIRECT
    assert series.intensity_g_per_kwh[12] == pytest.approx(0.7 * 400 + 0.3 * 1000)
    with pytest.raises(DataError, match="the packaged factors are life-cycle ones; give factors"):
        GenerationMarginal(path, scope="direct")
    with pytest.raises(DataError, match="none is named after a fuel of lignite"):
        GenerationMarginal(path, factors={"lignite": 1.0})


def test_fossil_plants_alone_may_be_asked_for(tmp_path: Path) -> None:
    found = GenerationMarginal(written(tmp_path, grid()), responding="fossil").estimate("Z")
    assert found.fuels == ("coal", "nat_gas")
    with pytest.raises(DataError, match="responding is 'all'; allowed are net-load and fossil"):
        GenerationMarginal(tmp_path / "mix.csv", responding="all")


def test_other_years_are_answered_on_purpose_only(tmp_path: Path) -> None:
    path = written(tmp_path, grid())
    later = datetime(2022, 7, 1, tzinfo=UTC)
    with pytest.raises(MissingDataError, match="other_years = true"):
        GenerationMarginal(path).series("Z", later, HOUR, 1)
    series = GenerationMarginal(path, other_years=True).series("Z", later, HOUR, 24)
    assert series.intensity_g_per_kwh[[10, 22]] == pytest.approx([589.0, 754.0])
    assert "zone Z: estimated on 2020 to 2020, used for 2022" in series.origin.notes


def test_what_is_absent_or_below_zero_is_told(tmp_path: Path) -> None:
    frame = grid()
    frame["hydro_mw"] = 10.0
    frame.loc[[3, 4], "hydro_mw"] = -5.0
    frame["oil_mw"] = np.nan
    frame.loc[100, "coal_mw"] = np.nan
    path = written(tmp_path, frame)
    marginal = GenerationMarginal(path)
    assert marginal.estimate("Z").changes == 24 * DAYS - 3
    notes = marginal.series("Z", START, HOUR, 1).origin.notes
    assert "zone Z reports no oil" in notes
    assert "zone Z: hydro below zero in 2 hours, taken as no generation" in notes
    with pytest.raises(MissingDataError, match="no value"):
        GenerationAverage(path).series("Z", START + 90 * HOUR, HOUR, 24)


@pytest.mark.parametrize(
    ("days", "change", "said"),
    [
        (20, {}, "no change of generation in spring"),
        (366, {"coal_mw": 5000.0, "nat_gas_mw": 5000.0}, "no change of generation in winter"),
    ],
)
def test_where_there_is_nothing_to_estimate(
    tmp_path: Path, days: int, change: dict[str, float], said: str
) -> None:
    with pytest.raises(MissingDataError, match=said):
        GenerationMarginal(written(tmp_path, grid(days=days).assign(**change))).estimate("Z")


def test_a_margin_below_zero_is_refused_not_cut(tmp_path: Path) -> None:
    """Coal that falls twice as fast as gas rises whenever the load rises: an artefact of the data, not a margin."""
    frame = grid()
    rise = frame["nat_gas_mw"] - 5000.0
    frame["coal_mw"] = 20_000.0 - 2.0 * rise
    frame["nuclear_mw"] = 3000.0 + 3.0 * rise
    with pytest.raises(DataError, match=r"is -\d+ g/kWh .*does not tell what follows the load"):
        GenerationMarginal(written(tmp_path, frame)).estimate("Z")


def test_the_zones_of_the_data_folder() -> None:
    """The file's own intensity is the average that the packaged factors give; margins lie between coal and water."""
    if status_of(dataset("generation-mix-2020-2021")).state is not DatasetState.PRESENT:
        pytest.skip("not in the data folder")
    average, marginal = intensity_source("generation-average"), intensity_source("generation-marginal")
    start = datetime(2021, 3, 1, tzinfo=UTC)
    frame = pd.read_parquet(status_of(dataset("generation-mix-2020-2021")).path)
    for zone in average.zones():
        stated = frame[(frame["zone"] == zone) & (frame["time"] >= start)]["intensity_g_per_kwh"][:48]
        found = average.series(zone, start, HOUR, 48).intensity_g_per_kwh
        assert found == pytest.approx(stated.to_numpy(), abs=0.011)
        assert isinstance(marginal, GenerationMarginal)
        one = marginal.estimate(zone)
        assert 20.0 < one.g_per_kwh.min() <= one.g_per_kwh.max() < 820.0
        assert (one.standard_error > 0).all()
