"""Common part of the client-selection baselines: the participants of a round; energy goes by LOCAL's rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.policies.registry import make_policy
from coordinator.policies.selection import ClientsPerRound, smallest, statistical_utility
from tests.coordinator.policies.fleets import chosen, fleet_of


def test_half_of_the_nodes_unless_told_and_never_more_than_there_are() -> None:
    assert len(chosen(fleet_of([1.0, 2.0, 3.0]), "lowest-ci")) == 2
    assert len(chosen(fleet_of([1.0, 2.0]), "lowest-ci", clients=9)) == 2
    with pytest.raises(ValueError, match="1 or more"):
        make_policy("lowest-ci", clients=0)


def test_selection_is_for_stages_that_train() -> None:
    fleet = fleet_of([3.0, 1.0, 2.0])
    policy = make_policy("lowest-ci", clients=1)
    for stage, selected in (
        ("development", [1]),
        ("recycling", [1]),
        ("application", None),
        ("preparation", None),
    ):
        decision, _ = policy.decide(replace(fleet, stage=stage), policy.init(0))
        assert np.diag(decision.batches).tolist() == [10, 10, 10]
        assert (None if decision.selected is None else np.flatnonzero(decision.selected).tolist()) == selected


def test_utility_is_examples_times_loss() -> None:
    fleet = fleet_of([1.0] * 2, mean_loss=np.array([0.5, np.nan]), num_examples=np.array([30, 40]))
    utility = statistical_utility(fleet)
    assert utility[0] == 15.0
    assert np.isnan(utility[1])
    assert np.isnan(statistical_utility(replace(fleet, mean_loss=None))).all()
    for name, field in (("lowcarb", "participations"), ("fedzero", "num_examples")):
        with pytest.raises(ValueError, match=field):
            chosen(replace(fleet, **{field: None}), name)  # type: ignore[arg-type]


def test_half_is_rounded_up_and_ties_go_to_the_first_of_many() -> None:
    assert [ClientsPerRound().count(fleet_of([1.0] * n)) for n in (1, 2, 3, 5, 8)] == [1, 1, 2, 3, 4]
    assert [ClientsPerRound(clients=2).count(fleet_of([1.0] * n)) for n in (1, 2, 3)] == [1, 2, 2]
    assert smallest(np.tile([2.0, 1.0], 100), 100).tolist() == list(range(1, 200, 2))
    assert smallest(np.array([3.0, 1.0, 2.0]), 2).tolist() == [1, 2]
