"""Random: FedAvg's own client selection, n nodes uniformly without replacement (methods.md section 3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.coordinator.policies.fleets import chosen, fleet_of


def test_random_is_uniform_and_seeded() -> None:
    fleet = fleet_of([1.0] * 4)
    assert chosen(fleet, "random", seed=3, clients=2) == chosen(fleet, "random", seed=3, clients=2)
    counts = np.zeros(4)
    for slot in range(400):
        counts[chosen(replace(fleet, slot=slot), "random", clients=2)] += 1
    assert counts.sum() == 800
    assert (np.abs(counts - 200) < 50).all()
