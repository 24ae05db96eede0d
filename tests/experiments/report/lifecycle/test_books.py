"""A run's energy lines by life-cycle stage, unallocated time, and zone."""

from __future__ import annotations

import pytest

from experiments.report.lifecycle.books import by_stage
from tests.experiments.report.by_hand import LINES, make_run

KWH = 3.6e6


def test_stages_sum_to_the_run_and_take_network_and_coordinator_with_them() -> None:
    stages = by_stage(make_run())
    assert stages["development"].operational_g == pytest.approx(1500.0)
    assert stages["application"].operational_g == pytest.approx(300.0)
    assert stages["preparation"].operational_g == stages["recycling"].operational_g == 0.0
    assert sum(s.operational_g for s in stages.values()) == pytest.approx(
        sum(x["operational_g"] for x in LINES)
    )
    assert sum(s.energy_j for s in stages.values()) == pytest.approx(sum(x["energy_j"] for x in LINES))
    # Without harvest: n0's 3 kWh at 100 and n1's 3 kWh at 400, network 50 and coordinator 100 as booked.
    assert stages["development"].all_grid_g == pytest.approx(300 + 1200 + 50 + 100)
    # Application: 2 kWh at 100, 1 kWh at 400, coordinator 100.
    assert stages["application"].all_grid_g == pytest.approx(200 + 400 + 100)
