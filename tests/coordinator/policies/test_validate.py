"""Violations of a decision: the limits of one slot, checked independently of the policy that made it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.market.decision import Feasible, FleetDecision, Infeasible, Optimal
from coordinator.market.fleet import Bools, Fleet, Floats, Ints
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.pairs import Pairs
from coordinator.market.rounding import WorkLimits
from coordinator.policies.registry import make_policy
from coordinator.policies.validate import Check, Violation, violations
from tests.coordinator.market.plans import decided, two_nodes


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


def test_a_node_that_cannot_sleep_is_not_put_to_sleep() -> None:
    day = reference_day(1, nodes=2)
    fleet = replace(
        day,
        limits=replace(day.limits, may_sleep=True),
        backlog_batches=np.array([[0], [0]]),
        can_sleep=np.array([True, False]),
    )
    decision, _ = make_policy("deta").decide(fleet, None)
    assert violations(fleet, decision) == []
    assert decision.awake.tolist() == [False, True]
    both = replace(decision, awake=np.zeros(2, dtype=bool))
    (found,) = violations(fleet, both)
    assert str(found) == "SLEEP: edge-01: asleep, though it cannot sleep (fleet.can_sleep)"
    nobody = replace(fleet, limits=replace(fleet.limits, may_sleep=False))
    assert not nobody.sleepers().any()


def test_a_violation_in_words() -> None:
    assert str(Violation(Check.STORAGE, "3 too many")) == "STORAGE: 3 too many"
    assert str(Violation(Check.STORAGE, "3 too many", "seed 4")) == "STORAGE: 3 too many [seed 4]"


def pairs(*rows: tuple[int, int, Any]) -> Pairs[Any]:
    return Pairs(*(np.array(column) for column in zip(*rows, strict=True)))


def sound() -> FleetDecision:
    """Two of node 0's batches of 1 MB run elsewhere, energy for a tenth of its harvest sent."""
    return FleetDecision.dense(
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
            {"home_batches": np.zeros(2)},
            ["SHAPE: home_batches has shape (2,) of float64, expected (2,) of integer"],
        ),
        ({"moves": [[0, 2]]}, ["SHAPE: moves is a list, expected Pairs"]),
        ({"moves": pairs((0, 1, 2.0))}, ["SHAPE: moves holds float64, expected integer"]),
        ({"moves": pairs((0, 2, 2))}, ["SHAPE: moves names node 2, expected 0 to 1"]),
        (
            {"moves": pairs((0, 1, 1), (1, 1, 1))},
            ["SHAPE: moves holds batches of edge-01 to itself, expected in home_batches"],
        ),
        ({"transfers": None}, ["SHAPE: transfers is a NoneType, expected Pairs"]),
        ({"transfers": pairs((2, 1, 5.0))}, ["SHAPE: transfers names node 2, expected 0 to 1"]),
        ({"transfers": pairs((0, 1, 5))}, ["SHAPE: transfers holds int64, expected floating"]),
        ({"batches": np.array([[11, -1], [0, 3]])}, ["FINITE: batches holds -1"]),
        ({"transfer_j": np.array([[0.0, np.nan], [0.0, 0.0]])}, ["FINITE: transfer_j holds nan"]),
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
    matrices = {name: changes[name] for name in ("batches", "transfer_j") if name in changes}
    others = {name: value for name, value in changes.items() if name not in matrices}
    decision = replace(sound().with_dense(**matrices), **others)
    assert [str(one) for one in violations(fleet, decision)] == found


def of_matrices(fleet: Fleet, batches: Ints, transfer_j: Floats, awake: Bools) -> list[str]:
    """What (N, N) matrices break, entry by entry."""
    limits, found = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool)), []
    capacity = WorkLimits.of(fleet, awake).capacity

    def each(check: Check, text: str, wrong: list[tuple[int, str]]) -> None:
        if wrong:
            more = f" (and {len(wrong) - 1} more nodes)" if len(wrong) > 1 else ""
            found.append(f"{check.name}: {fleet.node_ids[wrong[0][0]]}: {text.format(wrong[0][1])}{more}")

    for name, matrix in (("batches", batches), ("transfer_j", transfer_j)):
        below = [value for row in matrix.tolist() for value in row if value < 0]
        if below:
            found.append(f"FINITE: {name} holds {below[0]}")
    nodes = range(fleet.size)
    own, run, home = batches.sum(axis=1), batches.sum(axis=0), np.diag(batches)
    missed = np.maximum(limits.due - own, 0)
    has = limits.available
    each(
        Check.CONSERVES,
        "{}",
        [(i, f"{own[i]} batches run of {has[i]} there are") for i in nodes if own[i] > has[i]],
    )
    each(
        Check.CONSERVES,
        "{} due batches are not run, 0 reported unserved",
        [(i, f"{missed[i]} of {limits.due[i]}") for i in nodes if missed[i]],
    )
    away, guests = own - home, run - home
    leave, room = limits.may_leave, limits.guest_room
    each(
        Check.OFFLOAD_CAP,
        "{} may",
        [(i, f"{away[i]} batches leave, {leave[i]}") for i in nodes if away[i] > leave[i]],
    )
    each(
        Check.CAPACITY,
        "{}",
        [
            (i, f"{run[i]} batches to run, time for {capacity[i]}")
            for i in nodes
            if awake[i] and run[i] > capacity[i]
        ],
    )
    each(
        Check.STORAGE,
        "{}",
        [(i, f"{guests[i]} guest batches, room for {room[i]}") for i in nodes if guests[i] > room[i]],
    )
    each(
        Check.SLEEP,
        "asleep, yet {} batches to run",
        [(i, str(run[i])) for i in nodes if not awake[i] and run[i] > 0],
    )
    each(Check.SLEEP, "asleep, though may_sleep is off{}", [(i, "") for i in nodes if not awake[i]])
    sent, cap = transfer_j.sum(axis=1), fleet.transfer_caps_j()[:, 0]
    each(
        Check.TRANSFER_CAP,
        "sends {} J allowed",
        [(i, f"{sent[i]} J, at most {cap[i]}") for i in nodes if sent[i] > cap[i] * (1 + 1e-9)],
    )
    self_j = np.diag(transfer_j)
    each(Check.TRANSFER_CAP, "sends {} J to itself", [(i, str(self_j[i])) for i in nodes if self_j[i] > 0])
    return found


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([0.1, 0.5, 0.9]))
def test_coordinates_and_matrices_break_the_same_limits(seed: int, nodes: int, share: float) -> None:
    """Random decisions, most of them bad in several ways; joules are eighths, so that sums are exact."""
    rng = np.random.default_rng(seed)
    fleet = random_fleet(seed, nodes=nodes, horizon=1)
    some = rng.random((2, nodes, nodes)) < share
    batches = rng.integers(-1, 6, (nodes, nodes)) * some[0] + np.diag(fleet.backlog_batches[:, 0])
    transfer_j = rng.integers(-1, 99, (nodes, nodes)) / 8.0 * some[1]
    awake = rng.random(nodes) < 0.8
    decision = decided(batches, transfer_j, awake.tolist())
    assert [str(one) for one in violations(fleet, decision)] == of_matrices(fleet, batches, transfer_j, awake)


def test_one_node_is_named_and_the_others_are_counted() -> None:
    fleet = reference_day(1, nodes=3)
    good = make_policy("local").decide(fleet, None)[0]
    names = fleet.node_ids
    for awake, said in (
        ([True, False, True], f"{names[1]}: asleep, though may_sleep is off"),
        ([True, False, False], f"{names[1]}: asleep, though may_sleep is off (and 1 more nodes)"),
        ([False, False, False], f"{names[0]}: asleep, though may_sleep is off (and 2 more nodes)"),
    ):
        idle = replace(good, awake=np.array(awake), home_batches=np.zeros(3, dtype=np.int64))
        idle = replace(idle, unserved_batches=fleet.backlog_batches[:, 0].copy())
        assert [str(each) for each in violations(fleet, idle)] == [f"SLEEP: {said}"]


def test_a_lone_node_needs_no_other() -> None:
    fleet = reference_day(1, nodes=1)
    good = make_policy("local").decide(fleet, None)[0]
    assert violations(fleet, good) == []
    assert violations(fleet, replace(good, outcome=Feasible(0.0))) == []
    beyond = replace(good, moves=Pairs(np.array([0]), np.array([1]), np.array([1])))
    assert [str(each) for each in violations(fleet, beyond)] == ["SHAPE: moves names node 1, expected 0 to 0"]


def test_what_may_be_sent_may_be_sent_to_the_last_joule() -> None:
    fleet = reference_day(1, nodes=2)
    fleet = replace(fleet, harvest_j=np.array([[100.0], [0.0]]))
    good = make_policy("local").decide(fleet, None)[0]
    for sent, found in ((50.0, []), (50.1, ["TRANSFER_CAP: edge-00: sends 50.1 J, at most 50.0 J allowed"])):
        trade = replace(good, transfers=pairs((0, 1, sent)))
        assert [str(each) for each in violations(fleet, trade)] == found
