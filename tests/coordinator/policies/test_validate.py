"""Violations of a decision: the limits of one slot, checked independently of the policy that made it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coordinator.market.instances import reference_day
from coordinator.policies.registry import make_policy
from coordinator.policies.validate import violations


def test_a_node_that_runs_nothing_may_sleep() -> None:
    day = reference_day(1, nodes=2)
    fleet = replace(
        day,
        limits=replace(day.limits, may_sleep=True, offload_cap_fraction=1.0),
        backlog_batches=np.array([[10], [10]]),
    )
    decision, _ = make_policy("deta").decide(fleet, None)
    assert violations(fleet, decision) == []
    assert decision.awake.sum() == 1
    assert decision.batches[:, ~decision.awake].sum() == 0
