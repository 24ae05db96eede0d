"""A node's forecast of harvest: the same rule as the simulator's, without future values."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.market.forecast import ClearSky
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
