"""The decision of a missed slot: nobody works, who slept sleeps on."""

from __future__ import annotations

import numpy as np

from coordinator.market.instances import random_fleet
from coordinator.policies.guard import MISSED
from coordinator.slots.missed import missed_choice


def test_nobody_works_trades_or_wakes() -> None:
    fleet = random_fleet(5)
    choice = missed_choice(fleet)
    decision = choice.decision
    assert choice.status.startswith(MISSED)
    assert decision.home_batches.sum() == len(decision.moves) == len(decision.transfers) == 0
    assert (decision.charge_j == 0).all()
    assert (decision.discharge_j == 0).all()
    assert np.array_equal(decision.awake, ~fleet.asleep)
    assert np.array_equal(decision.unserved_batches, fleet.backlog_batches[:, 0])
