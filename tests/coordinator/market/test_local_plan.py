"""LOCAL's rule over a whole look-ahead: what every node would do alone, the zero of the captured gain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.instances import reference_day
from coordinator.market.local_plan import local_g, local_plan
from coordinator.market.wide import decomposition, hub
from tests.coordinator.market.wide.drawn import drawn_program


def test_local_rule_keeps_every_limit_but_the_gain() -> None:
    program = hub.from_fleet(reference_day(24))
    assert max(hub.residuals(program, local_plan(program)).values()) < 1e-9
    alone = hub.from_fleet(reference_day(24), hub.Restrictions(False, False, True))
    assert decomposition.solve(alone, 1e-4).bound_g <= local_g(program)


@pytest.mark.parametrize("seed", range(8))
def test_work_at_home_as_early_as_time_allows_by_hand(seed: int) -> None:
    """Slot after slot, what is due first; a batch that takes no time always fits."""
    rng = np.random.default_rng(seed)
    p = drawn_program(rng, carries_cap=False)
    tau = np.where(rng.random((4, 3)) < 0.3, 0.0, rng.uniform(0.2, 4.0, (4, 3)))
    p = replace(p, slot_s=3.0, seconds_per_batch=tau, class_batches=rng.uniform(0, 3, (5, 3)))
    p = replace(p, battery_j=0.5 * p.battery_capacity_j, keep_fraction=0.5 * p.keep_fraction)
    plan = local_plan(p)
    left = p.class_batches.copy()
    for t in range(4):
        for n in range(3):
            time = 3.0 / tau[t, n] if tau[t, n] > 0 else np.inf
            for wait in (0, 1):
                done = min(left[t + wait, n], time)
                left[t + wait, n] -= done
                time -= done
                assert plan.own_batches[wait, t, n] == pytest.approx(done)
            load = p.static_j[t, n] + p.joules_per_batch[t, n] * plan.own_batches[:, t, n].sum()
            assert plan.grid_j[t, n] + plan.green_j[t, n] == pytest.approx(load)
    assert plan.unserved_batches == pytest.approx(left)
    for part in (plan.export_j, plan.import_j, plan.offload_batches, plan.guest_batches):
        assert not part.any()
    assert plan.offload_batches.shape == plan.own_batches.shape == (2, 4, 3)
    kept = hub.residuals(replace(p, closed=np.zeros_like(p.closed)), plan)
    assert max(kept.values()) < 1e-9
    assert local_g(p) == pytest.approx(hub.objective_g(p, plan))
