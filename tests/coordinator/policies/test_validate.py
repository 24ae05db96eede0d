"""Violations of a decision: the limits of one slot, checked independently of the policy that made it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from coordinator.market.decision import Feasible, FleetDecision, Infeasible, Optimal
from coordinator.market.instances import reference_day
from coordinator.policies.registry import make_policy
from coordinator.policies.validate import Check, Violation, violations
from tests.coordinator.market.plans import two_nodes


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


def test_a_violation_in_words() -> None:
    assert str(Violation(Check.STORAGE, "3 too many")) == "STORAGE: 3 too many"
    assert str(Violation(Check.STORAGE, "3 too many", "seed 4")) == "STORAGE: 3 too many [seed 4]"


def sound() -> FleetDecision:
    """Two of node 0's batches of 1 MB run elsewhere, energy for a tenth of its harvest sent."""
    return FleetDecision(
        batches=np.array([[8, 2], [0, 3]]),
        transfer_j=np.array([[0.0, 10.0], [0.0, 0.0]]),
        charge_j=np.zeros(2),
        discharge_j=np.zeros(2),
        awake=np.ones(2, dtype=bool),
        outcome=Feasible(None),
        unserved_batches=np.zeros(2, dtype=np.int64),
    )


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"charge_j": [0.0, 0.0]}, ["SHAPE: charge_j is a list, expected an array (2,)"]),
        ({"charge_j": np.zeros(3)}, ["SHAPE: charge_j has shape (3,) of float64, expected (2,) of floating"]),
        (
            {"batches": np.zeros((2, 2))},
            ["SHAPE: batches has shape (2, 2) of float64, expected (2, 2) of integer"],
        ),
        (
            {"transfer_j": np.zeros(2)},
            ["SHAPE: transfer_j has shape (2,) of float64, expected (2, 2) of floating"],
        ),
        (
            {"discharge_j": np.zeros(1)},
            ["SHAPE: discharge_j has shape (1,) of float64, expected (2,) of floating"],
        ),
        ({"awake": np.ones(2)}, ["SHAPE: awake has shape (2,) of float64, expected (2,) of bool"]),
        (
            {"unserved_batches": np.zeros(2)},
            ["SHAPE: unserved_batches has shape (2,) of float64, expected (2,) of integer"],
        ),
        ({"selected": np.ones(2)}, ["SHAPE: selected has shape (2,) of float64, expected (2,) of bool"]),
        ({"charge_j": np.array([0.0, -1.0])}, ["FINITE: charge_j holds -1.0"]),
        ({"discharge_j": np.array([np.inf, 0.0])}, ["FINITE: discharge_j holds inf"]),
        (
            {"batches": np.array([[9, 2], [0, 3]])},
            ["CONSERVES: edge-00: 11 batches run of 10 there are"],
        ),
        (
            {"batches": np.array([[7, 2], [0, 2]])},
            ["CONSERVES: edge-00: 1 of 10 due batches are not run, 0 reported unserved (and 1 more nodes)"],
        ),
        ({"batches": np.array([[7, 2], [0, 3]]), "unserved_batches": np.array([1, 0])}, []),
        (
            {"batches": np.array([[4, 6], [0, 3]])},
            [
                "OFFLOAD_CAP: edge-00: 6 batches leave, 5 may",
                "CAPACITY: edge-01: 9 batches to run, time for 8",
                "STORAGE: edge-01: 6 guest batches, room for 4",
            ],
        ),
        (
            {"awake": np.array([True, False])},
            [
                "SLEEP: edge-01: asleep, yet 5 batches to run",
                "SLEEP: edge-01: asleep, though may_sleep is off",
            ],
        ),
        (
            {
                "batches": np.array([[10, 0], [0, 0]]),
                "unserved_batches": np.array([0, 3]),
                "awake": np.array([True, False]),
                "selected": np.ones(2, dtype=bool),
            },
            ["SLEEP: edge-01: asleep, though may_sleep is off", "SLEEP: edge-01: selected, yet asleep"],
        ),
        (
            {"transfer_j": np.array([[0.0, 51.0], [0.0, 0.0]])},
            ["TRANSFER_CAP: edge-00: sends 51.0 J, at most 50.0 J allowed"],
        ),
        (
            {"transfer_j": np.array([[2.0, 0.0], [0.0, 0.0]])},
            ["TRANSFER_CAP: edge-00: sends 2.0 J to itself"],
        ),
        ({"outcome": "good"}, ["OUTCOME: outcome is 'good'"]),
        ({"outcome": Optimal(1.0)}, []),
        ({"outcome": Optimal(np.nan)}, ["OUTCOME: optimal with an objective of nan g"]),
        (
            {
                "outcome": Optimal(1.0),
                "batches": np.array([[7, 2], [0, 3]]),
                "unserved_batches": np.array([1, 0]),
            },
            ["OUTCOME: called optimal, yet work is left unserved"],
        ),
        ({"outcome": Feasible(0.0)}, []),
        ({"outcome": Feasible(-0.1)}, ["OUTCOME: feasible with a gap of -0.1"]),
        ({"outcome": Feasible("0.1")}, ["OUTCOME: feasible with a gap of '0.1'"]),
        ({"outcome": Feasible(None, 3)}, ["OUTCOME: the outcome's text is 3, expected text"]),
        ({"outcome": Infeasible(("(D5)",))}, []),
        ({"outcome": Infeasible(())}, ["OUTCOME: infeasible, but no conflicting limit is named"]),
        ({"outcome": Infeasible((5,))}, ["OUTCOME: the outcome's text is (5,), expected text"]),
        ({"notes": {"rounds": 3, "gap": np.float64(0.5)}}, []),
        (
            {"notes": {"rounds": np.nan}},
            ["NOTES: notes are {'rounds': nan}; allowed are finite numbers by name"],
        ),
        ({"notes": {1: 2.0}}, ["NOTES: notes are {1: 2.0}; allowed are finite numbers by name"]),
        ({"notes": ["a"]}, ["NOTES: notes are ['a']; allowed are finite numbers by name"]),
    ],
)
def test_each_way_to_break_a_limit_is_said(changes: dict[str, Any], found: list[str]) -> None:
    """Half of ten batches and of 100 J may leave node 0; node 1 has time for eight batches and room for four."""
    fleet = two_nodes(
        backlog_batches=np.array([[10], [3]]),
        harvest_j=np.array([[100.0], [0.0]]),
        seconds_per_batch=np.array([[1.0], [7.0]]),
        storage_bytes=np.array([1e9, 4e6]),
    )
    assert [str(one) for one in violations(fleet, replace(sound(), **changes))] == found
