"""A policy whose moves are kept decides as the policy does."""

from __future__ import annotations

from coordinator.market.instances import random_fleet
from coordinator.policies.guard import without_unselected
from coordinator.policies.registry import make_policy
from experiments.studies.recorded import RecordedMoves


def test_decisions_are_the_policys_and_their_moves_are_kept() -> None:
    fleet = random_fleet(3, nodes=5, horizon=2)
    policy, watched = make_policy("deta"), RecordedMoves(make_policy("deta"))
    decided, _ = policy.decide(fleet, policy.init(0))
    recorded, _ = watched.decide(fleet, watched.init(0))
    assert watched.name == policy.name
    assert (recorded.moves.amount == decided.moves.amount).all()
    assert watched.moves == [recorded.moves]


def test_of_what_is_not_carried_out_nothing_is_kept() -> None:
    fleet = random_fleet(3, nodes=5, horizon=2)
    watched = RecordedMoves(make_policy("deta"), without_unselected)
    decided, _ = watched.decide(fleet, watched.init(0))
    assert (watched.moves[0].amount == without_unselected(decided, fleet).moves.amount).all()
