"""The three policies that follow users: their ways, and LOCAL where nobody has a conversation."""

from __future__ import annotations

import pytest

from coordinator.market.instances import reference_day
from coordinator.policies.local import local_decision
from coordinator.policies.registry import make_policy, traits


@pytest.mark.parametrize("way", ["prefill", "hand-over", "cheaper"])
def test_other_work_is_decided_as_under_local(way: str) -> None:
    policy, fleet = make_policy(f"follow-{way}"), reference_day(3, nodes=4)
    decision, _ = policy.decide(fleet, policy.init(0))
    assert decision.home_batches.tolist() == local_decision(fleet).home_batches.tolist()
    assert (len(decision.moves), len(decision.handed)) == (0, 0)
    assert traits(policy).follows_users
    assert policy.name == f"follow-{way}"
    assert not traits(make_policy("local")).follows_users
