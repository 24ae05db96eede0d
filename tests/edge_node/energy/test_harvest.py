"""A node's forecast of harvest: the same rule as the simulator's, without future values."""

from __future__ import annotations

import numpy as np
import pytest

from carbon_data.types import MissingDataError
from coordinator.market.forecast import ClearSky
from edge_node.columns.harvest import HarvestColumns
from edge_node.config import HarvestConfig
from edge_node.energy.harvest import Harvest


def test_clear_sky_forecasts_by_hand() -> None:
    config = HarvestConfig(power_w=(0.0, 5.0, 5.0, 0.0, 9.0), clear_sky_w=(0.0, 10.0, 20.0, 0.0, 10.0))
    harvest = Harvest(config, slot_s=1.0)
    assert harvest.forecast_uj(1, 4) == (5_000_000, 10_000_000, 0, 5_000_000)  # index 0.5
    assert harvest.forecast_uj(3, 2) == (0, 2_500_000)  # night: the index of slot 2, 0.25
    assert harvest.forecast_uj(0, 2) == (0, 7_000_000)  # before any sun: 0.7


@pytest.mark.parametrize("slot", range(6))
def test_node_and_simulator_expect_the_same(slot: int) -> None:
    rng = np.random.default_rng(slot)
    clear = np.maximum(np.sin(np.linspace(-1, 4, 12)), 0.0) * 10
    actual = clear * rng.uniform(0.1, 1.0, 12)
    node = Harvest(HarvestConfig(power_w=tuple(actual), clear_sky_w=tuple(clear)), slot_s=2.0)
    expected = ClearSky(clear[None, :] * 2.0)(actual[None, :] * 2.0, slot, 5)[0]
    assert np.array(node.forecast_uj(slot, 5)) / 1e6 == pytest.approx(expected, abs=2e-6)


def test_harvest_beyond_its_series_is_an_error_and_not_zero() -> None:
    harvest = Harvest(HarvestConfig(power_w=(1.0, 0.0, 2.5), forecast_w=(3.0, 1.0, 1.0, 1.0)), slot_s=2.0)
    assert [harvest.energy_uj(slot) for slot in range(3)] == [2_000_000, 0, 5_000_000]
    assert harvest.forecast_uj(0, 3) == (2_000_000, 2_000_000, 2_000_000)  # the slot itself is known
    assert harvest.forecast_uj(2, 2) == (5_000_000, 2_000_000)
    with pytest.raises(MissingDataError, match="slot 3"):
        harvest.energy_uj(3)
    with pytest.raises(MissingDataError, match="slot 4"):
        harvest.forecast_uj(2, 3)
    with pytest.raises(MissingDataError, match="-1"):
        Harvest(HarvestConfig(power_w=(-1.0,)), slot_s=1.0)


def test_without_a_forecast_the_node_knows_its_harvest() -> None:
    assert Harvest(HarvestConfig(power_w=(1.0, 2.0)), slot_s=1.0).forecast_uj(0, 2) == (1_000_000, 2_000_000)


def test_the_sun_shines_above_a_share_of_its_best_and_not_at_it() -> None:
    """Half a watt is a twentieth of the best clear sky: the clearness stays that of the slot before."""
    config = HarvestConfig(power_w=(5.0, 0.4, 0.9, 4.0), clear_sky_w=(10.0, 0.5, 2.0, 10.0))
    alone, together = Harvest(config, 10.0), HarvestColumns([config], 10.0)
    wanted = ([50, 2.5, 10, 50], [4, 10, 50], [9, 45], [40])
    for slot, joules in enumerate(wanted):
        told = tuple(round(each * 1e6) for each in joules)
        assert alone.forecast_uj(slot, len(told)) == told
        assert tuple(together.forecast_uj(slot, len(told))[0].tolist()) == told
