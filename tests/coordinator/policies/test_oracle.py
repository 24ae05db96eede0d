"""Oracle: the whole model with perfect foresight over the rest of the run; the bound that other policies are"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.instances import reference_day
from coordinator.policies.registry import make_policy


def test_oracle_needs_the_true_values() -> None:
    fleet = reference_day(4, nodes=2)
    oracle = make_policy("oracle")
    with pytest.raises(ValueError, match="perfect foresight"):
        oracle.decide(fleet, None)
    wrong = replace(
        fleet,
        true_intensity_g_per_kwh=fleet.intensity_g_per_kwh,
        true_harvest_j=fleet.harvest_j,
        intensity_g_per_kwh=np.roll(fleet.intensity_g_per_kwh, 3, axis=0),
        harvest_j=np.zeros_like(fleet.harvest_j),
    )
    told, _ = oracle.decide(wrong, None)
    deta, _ = make_policy("deta").decide(fleet, None)
    np.testing.assert_array_equal(told.batches, deta.batches)
