"""Every registered policy keeps every limit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.decision import Feasible, Optimal
from coordinator.market.instances import random_fleet
from coordinator.policies.registry import make_policy
from coordinator.policies.validate import violations


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), deadline=st.integers(0, 2), sleep=st.booleans())
def test_decisions_keep_every_limit(seed: int, deadline: int, sleep: bool) -> None:
    fleet = random_fleet(seed, nodes=3, horizon=3, deadline_slots=deadline, may_sleep=sleep)
    decision, _ = make_policy("deta").decide(fleet, None)
    assert violations(fleet, decision) == []
    assert decision.unserved_batches.sum() == 0
    assert isinstance(decision.outcome, Optimal | Feasible)
