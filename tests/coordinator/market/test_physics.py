"""A slot's joules and grams worked out by hand; no two figures of the two nodes are equal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.market.physics import demand_j, execute


def two_nodes() -> Fleet:
    """Slots of 10 s; node 0 is at 432 g/kWh and awake, node 1 at 72 g/kWh and slept in the slot before."""
    day = reference_day(1, nodes=2)
    return replace(
        day,
        slot_s=10.0,
        limits=replace(day.limits, may_sleep=True, net_j_per_byte=3e-6),
        intensity_g_per_kwh=np.array([[432.0], [72.0]]),
        harvest_j=np.zeros((2, 1)),
        battery_j=np.zeros(2),
        static_w=np.array([2.7, 2.1]),
        sleep_w=np.array([0.3, 0.2]),
        wake_j=np.array([3.1, 4.3]),
        asleep=np.array([False, True]),
        joules_per_batch=np.array([[3.0], [5.0]]),
        bytes_per_batch=np.array([4_000.0]),
        tx_j_per_byte=np.array([1.2e-6, 1.5e-6]),
        rx_j_per_byte=np.array([0.7e-6, 0.9e-6]),
        model_j=None,
        request_j=None,
    )


def test_demand_of_work_at_home_and_elsewhere_and_of_waking() -> None:
    """Node 0 runs 4 and sends 2: 27 + 4 * 3 + 2 * 4,000 * 1.2e-6 = 39.0096 J. Node 1 wakes, runs 3 of its own and 2 of
    node 0's: 21 + 4.3 + 5 * 5 + 2 * 4,000 * 0.9e-6 = 50.3072 J. Left asleep it takes 2 J."""
    fleet, batches = two_nodes(), np.array([[4, 2], [0, 3]])
    assert demand_j(fleet, batches, np.array([True, True])) == pytest.approx([39.0096, 50.3072], rel=1e-12)
    home = np.array([[4, 0], [0, 0]])
    assert demand_j(fleet, home, np.array([True, False])) == pytest.approx([39.0, 2.0], rel=1e-12)


def test_grams_of_nodes_at_their_own_intensity_and_of_the_network_at_the_mean_of_both_ends() -> None:
    """8,000 B from node 0 to 1 at 3 uJ: 0.024 J at 252 g/kWh -> 1.68 ug. Node 0: 39.0096 J at 432 g/kWh, node 1:
    50.3072 J at 72 g/kWh. Sent the other way, in the same numbers, the network emits as much."""
    fleet, none, limit = two_nodes(), np.zeros((2, 2)), np.zeros(2)
    flows = execute(fleet, np.array([[4, 2], [0, 3]]), none, limit, limit, np.array([True, True]))
    assert flows.network_g == pytest.approx(1.68e-6, rel=1e-12)
    assert flows.operational_g == pytest.approx([39.0096 * 1.2e-4, 50.3072 * 2e-5], rel=1e-12)
    back = execute(fleet, np.array([[4, 0], [2, 3]]), none, limit, limit, np.array([True, True]))
    assert back.network_g == pytest.approx(1.68e-6, rel=1e-12)
