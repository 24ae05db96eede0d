"""Price or limit of joules in addition to grams: from DETA to least energy, with all work done."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.simulator.simulate import World
from coordinator.simulator.tradeoff import Delivered, TradeOff, optimal_point, tree_point
from tests.coordinator.market.plans import two_nodes


def costly_transport(slots: int) -> Fleet:
    """A day on which moving work has a considerable cost in joules: 1 MB per batch over Wi-Fi at its high end."""
    day = reference_day(slots)
    return replace(
        day,
        limits=replace(day.limits, net_j_per_byte=1e-6),
        bytes_per_batch=np.full(slots, 1e6),
        storage_bytes=np.full(day.size, 1e9),
    )


def test_the_trade_off_runs_from_least_grams_to_highest_tree() -> None:
    world, delivered = World(costly_transport(6)), Delivered(32.0, 16.0, 64 * 6280.0, 70_423.0)
    points = [tree_point(world, delivered, price_g_per_kwh=price, horizon=1) for price in (0.0, 100.0, 1e5)]
    trees = [point.tree_bit_per_j for point in points]
    assert trees == sorted(trees)
    assert points[-1].tree_bit_per_j > points[0].tree_bit_per_j
    assert points[-1].emissions_g > points[0].emissions_g
    assert points[-1].offloaded_batches < points[0].offloaded_batches
    assert all(point.unserved_batches == 0 for point in points)


DELIVERED = Delivered(
    tokens_in_per_batch=3.0, tokens_out_per_batch=5.0, bits_per_batch=700.0, alpha_bits_per_token=11.0
)
"""A batch delivers 700 bit and 8 tokens: 788 bit in (T1)."""


def test_the_optimum_of_a_horizon_by_hand() -> None:
    """Ten batches of 36 J at 720 g/kWh, half of which may run at 36 g/kWh for 4 J more each (1 J sent, 2 received,
    1 in the network at the mean of both). 378.9 J are 95 % of TREE's best: not reached before that is worth it."""
    cleanest = optimal_point(two_nodes(), DELIVERED)
    grams = (5 * 36 * 720 + 5 * (720 + 38 * 36 + 378)) / 3.6e6
    assert cleanest == TradeOff(
        price_g_per_kwh=0.0,
        emissions_g=pytest.approx(grams),
        energy_j=pytest.approx(380.0),
        tree_bit_per_j=pytest.approx(7880 / 380),
        ee_bit_per_j=pytest.approx(7000 / 380),
        offloaded_batches=5,
        unserved_batches=0,
    )
    leanest = TradeOff(
        price_g_per_kwh=pytest.approx((36 * 720 - 720 - 38 * 36 - 378) / 4, rel=1e-5),
        emissions_g=pytest.approx(0.072),
        energy_j=pytest.approx(360.0),
        tree_bit_per_j=pytest.approx(7880 / 360),
        ee_bit_per_j=pytest.approx(7000 / 360),
        offloaded_batches=0,
        unserved_batches=0,
    )
    assert optimal_point(two_nodes(), DELIVERED, floor_fraction=0.95) == leanest
    priced = replace(leanest, price_g_per_kwh=6000.0)
    assert optimal_point(two_nodes(), DELIVERED, price_g_per_kwh=6000.0) == priced


def test_only_batches_that_are_done_deliver() -> None:
    """Of 100 batches 60 fit into the slot at home, and a fifth may leave."""
    fleet = two_nodes(backlog_batches=np.array([[100], [0]]))
    point = optimal_point(
        replace(fleet, limits=replace(fleet.limits, offload_cap_fraction=0.2)), DELIVERED, price_g_per_kwh=1.0
    )
    assert (point.offloaded_batches, point.unserved_batches, point.price_g_per_kwh) == (20, 20, 1.0)
    assert point.energy_j == pytest.approx(60 * 36 + 20 * 40)
    assert point.ee_bit_per_j == pytest.approx(80 * 700 / 2960)
    assert point.tree_bit_per_j == pytest.approx(80 * 788 / 2960)


def test_a_point_of_a_run_by_hand() -> None:
    """The policy's run of the same slot, at a price under and above that at which moving a batch pays."""
    world = World(two_nodes())
    for price, joules, moved in ((0.0, 380.0, 5), (6000.0, 360.0, 0)):
        point = tree_point(world, DELIVERED, price_g_per_kwh=price)
        assert (point.price_g_per_kwh, point.offloaded_batches, point.unserved_batches) == (price, moved, 0)
        assert point.energy_j == pytest.approx(joules)
        assert point.tree_bit_per_j == pytest.approx(7880 / joules)
        assert point.ee_bit_per_j == pytest.approx(7000 / joules)
        assert point.emissions_g == pytest.approx(
            optimal_point(world.fleet, DELIVERED, price_g_per_kwh=price).emissions_g
        )
    assert tree_point(world, DELIVERED, tree_floor_fraction=0.95).price_g_per_kwh is None


def test_work_that_is_released_later_delivers_too() -> None:
    """Two slots at one price: ten batches in the first, four in the second, all at home."""
    day = two_nodes()
    twice = {
        name: np.repeat(getattr(day, name), 2, axis=-1)
        for name in (
            *("intensity_g_per_kwh", "harvest_j", "seconds_per_batch", "joules_per_batch"),
            *("bytes_per_batch", "offloadable"),
        )
    }
    fleet = replace(day, release_batches=np.array([[3], [1]]), **twice)
    point = optimal_point(fleet, DELIVERED, price_g_per_kwh=6000.0)
    assert (point.offloaded_batches, point.unserved_batches) == (0, 0)
    assert point.energy_j == pytest.approx(14 * 36)
    assert point.ee_bit_per_j == pytest.approx(14 * 700 / (14 * 36))
    assert point.tree_bit_per_j == pytest.approx(14 * 788 / (14 * 36))


@pytest.mark.parametrize(("values", "optimal"), [(None, True), (None, False), (np.zeros(9), False)])
def test_no_optimum_is_no_point(
    values: np.ndarray | None, optimal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = SimpleNamespace(values=values, optimal=optimal, message="tired")
    monkeypatch.setattr("coordinator.simulator.tradeoff.solve", lambda program: said)
    with pytest.raises(ValueError, match="no optimum at 7 g/kWh: tired"):
        optimal_point(two_nodes(), DELIVERED, price_g_per_kwh=7.0)
