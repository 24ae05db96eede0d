"""Expectation of the slots after a policy's decision: the days over which (D9) is computed, and hub prices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coordinator.market.instances import reference_day
from coordinator.market.outlook import value_after


def test_what_lies_beyond_is_expected_like_the_last_known_day() -> None:
    fleet = reference_day(24, 3)
    goes_on = replace(fleet, decision_slots=24, later_slots=24, stored_value_g_per_j=np.zeros(3))
    twice = replace(
        fleet,
        intensity_g_per_kwh=np.tile(fleet.intensity_g_per_kwh, (1, 2)),
        harvest_j=np.tile(fleet.harvest_j, (1, 2)),
        release_batches=np.hstack([fleet.release_batches, fleet.backlog_batches, fleet.release_batches]),
        seconds_per_batch=np.tile(fleet.seconds_per_batch, (1, 2)),
        joules_per_batch=np.tile(fleet.joules_per_batch, (1, 2)),
        bytes_per_batch=np.tile(fleet.bytes_per_batch, 2),
        offloadable=np.tile(fleet.offloadable, 2),
        stored_value_g_per_j=np.zeros(3),
    )
    expected, found = value_after(twice, 24, None), value_after(goes_on, 24, None)
    for share in (0.1, 0.5, 1.0):
        charge = share * fleet.battery_capacity_j
        np.testing.assert_allclose(found.of(charge), expected.of(charge), rtol=1e-9)
