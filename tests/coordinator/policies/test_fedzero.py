"""FedZero: train on excess energy only (Wiesner et al., e-Energy 2024; github.com/dos-group/fedzero)."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.decision import Feasible
from coordinator.market.instances import reference_day
from coordinator.market.rounding import WorkLimits
from coordinator.policies import fedzero
from coordinator.policies.registry import make_policy
from tests.coordinator.policies.fleets import chosen, fleet_of


def test_fedzero_looks_for_the_shortest_round_and_waits_in_the_dark() -> None:
    day = reference_day(4, nodes=2)
    harvest = np.array([[40.0, 0.0, 400.0, 0.0]] * 2)
    fleet = replace(
        day,
        harvest_j=harvest,
        static_w=np.zeros(2),
        backlog_batches=np.full((2, 1), 10),
        joules_per_batch=np.full((2, 4), 36.0),
        seconds_per_batch=np.ones((2, 4)),
        battery_capacity_j=np.zeros(2),
    )
    policy = make_policy("fedzero", clients=2)
    decision, state = policy.decide(fleet, policy.init(0))
    assert decision.selected is not None
    assert decision.selected.all()
    assert decision.batches.diagonal().tolist() == [1, 1]  # 40 J pay for one
    assert state["left"] == 3  # a round may last as long as the look-ahead
    # two of ten are the minimum: the round ends when both have them, and not before
    for slot, first, second in ((1, 40.0, 0.0), (2, 400.0, 400.0)):
        now = replace(fleet, slot=slot, harvest_j=np.array([[first, 0.0, 0.0, 0.0], [second, 0.0, 0.0, 0.0]]))
        assert state["members"] != {}
        decision, state = policy.decide(now, state)
    assert decision.batches.diagonal().tolist() == [8, 9]  # ten in the round, not ten a slot
    assert state["members"] == {}
    assert state["last"] == ["edge-00", "edge-01"]
    assert state["rounds"] == {"edge-00": 1, "edge-01": 1}
    dark = replace(fleet, harvest_j=np.zeros((2, 4)))
    decision, state = policy.decide(dark, policy.init(0))
    assert decision.selected is not None
    assert not decision.selected.any()
    assert isinstance(decision.outcome, Feasible)
    assert decision.unserved_batches.sum() == 20  # reported, not hidden
    assert json.loads(json.dumps(state)) == state


def test_fedzero_drops_clients_without_energy_now() -> None:
    """Node 0 has more utility and will have sun; node 1 has some now."""
    fleet = replace(
        reference_day(2, nodes=2),
        harvest_j=np.array([[0.0, 9e5], [9e5, 9e5]]),
        static_w=np.zeros(2),
        battery_capacity_j=np.zeros(2),
        mean_loss=np.array([9.0, 1.0]),
    )
    assert chosen(fleet, "fedzero", clients=1) == [1]
    assert chosen(replace(fleet, harvest_j=np.full((2, 2), 9e5)), "fedzero", clients=1) == [0]
    # also where both would need the second slot: one batch of node 1 now, and a fifth of its work is more
    e_j = float(fleet.joules_per_batch[1, 0])
    assert chosen(replace(fleet, harvest_j=np.array([[0.0, 9e5], [e_j, 9e5]])), "fedzero", clients=1) == [1]


def test_fedzero_prefers_the_useful_by_loss_and_examples() -> None:
    sunny = {"harvest_j": np.full((3, 1), 1e4), "num_examples": np.array([10, 20, 40])}
    known = fleet_of([1.0, 2.0, 3.0], mean_loss=np.array([5.0, 1.0, 1.0]), **sunny)
    assert chosen(known, "fedzero", clients=1) == [0]  # 50, 20 and 40
    assert chosen(replace(known, mean_loss=np.array([1.0, 3.0, 1.0])), "fedzero", clients=1) == [1]
    # nodes that have not trained yet count with their examples: 50 and 1 against 40
    assert chosen(replace(known, mean_loss=np.array([5.0, 0.1, np.nan])), "fedzero", clients=1) == [0]
    assert chosen(replace(known, mean_loss=np.array([3.0, 0.1, np.nan])), "fedzero", clients=1) == [2]


def test_fedzero_leaves_the_static_load_its_energy() -> None:
    """One slot of 3,600 s: 0.1 W and 360 J of static load leave 72 J and two batches of 36 J of 432 J. In the second
    slot likewise: the round needs both."""
    day = reference_day(2, nodes=1)
    fleet = replace(
        day,
        slot_s=3600.0,
        harvest_j=np.array([[432.0, 468.0]]),
        static_w=np.array([0.1]),
        joules_per_batch=np.full((1, 2), 36.0),
        seconds_per_batch=np.ones((1, 2)),
        backlog_batches=np.full((1, 1), 10),
        battery_capacity_j=np.zeros(1),
    )
    policy = make_policy("fedzero", clients=1, least_share=0.5)
    decision, state = policy.decide(fleet, policy.init(0))
    assert decision.batches[0, 0] == 2
    assert state["members"] == {"edge-00": {"done": 2, "least": 5, "most": 10}}
    darker = replace(fleet, harvest_j=np.array([[432.0, 467.0]]))  # two batches and a bit in the second slot
    assert policy.decide(darker, policy.init(0))[1]["members"] == {}


def test_fedzero_lets_a_zone_share_its_energy() -> None:
    """Nodes 0 and 1 are in one zone, 2 in another: node 0's 1,080 J pay for 30 batches of its zone."""
    fleet = replace(
        fleet_of([100.0, 100.0, 200.0], harvest_j=np.array([[1080.0], [0.0], [360.0]])),
        backlog_batches=np.array([[10], [12], [10]]),
    )
    fleet = replace(fleet, limits=replace(fleet.limits, transfer_cap_fraction=0.9))
    policy = make_policy("fedzero", clients=3, domains="zone")
    decision, _ = policy.decide(fleet, policy.init(0))
    # missing to the minima: 2, 3 and 2 batches; all of the zone's minima and maxima are paid for
    assert decision.batches.diagonal().tolist() == [10, 12, 10]
    carried = decision.transfer_j
    assert carried[0, 1] == pytest.approx(432.0)
    assert carried.sum() == pytest.approx(432.0)
    alone, _ = make_policy("fedzero", clients=2, domains="node").decide(fleet, policy.init(0))
    assert alone.batches.diagonal().tolist() == [10, 0, 10]
    assert alone.transfer_j.sum() == 0.0


def test_fedzero_carries_energy_within_its_zone_alone() -> None:
    """Batches of 36 J. Zone 100: node 0 has 1,080 J, node 1 needs 12 batches, 432 J. Zone 200: node 2 has 1,200 J, node
    3 needs 11, 396 J. Neither zone feeds the other, although both have energy to spare."""
    harvest = np.array([[1080.0], [0.0], [1200.0], [0.0]])
    fleet = replace(
        fleet_of([100.0, 100.0, 200.0, 200.0], harvest_j=harvest),
        backlog_batches=np.array([[10], [12], [10], [11]]),
    )
    fleet = replace(fleet, limits=replace(fleet.limits, transfer_cap_fraction=0.9))
    policy = make_policy("fedzero", clients=4, domains="zone")
    carried = policy.decide(fleet, policy.init(0))[0].transfer_j
    expected = np.zeros((4, 4))
    expected[0, 1], expected[2, 3] = 432.0, 396.0
    assert carried == pytest.approx(expected)


def test_fedzero_blocks_recent_participants() -> None:
    fleet = fleet_of([1.0, 2.0, 3.0], harvest_j=np.full((3, 1), 1e4), mean_loss=np.array([9.0, 1.0, 2.0]))
    often = {"last": ["edge-00"], "rounds": {"edge-00": 9}}
    policy = make_policy("fedzero", clients=1, release=1e-9)
    decision, following = policy.decide(fleet, policy.init(0) | often)
    assert following["blocked"] == ["edge-00"]
    assert decision.selected is not None
    assert decision.selected.tolist() == [False, False, True]
    assert decision.notes["blocked"] == 1.0
    # released at once where release is certain; no list at all without it
    for release in (1e9, 0.0):
        free = make_policy("fedzero", clients=1, release=release)
        decision, following = free.decide(fleet, free.init(0) | often)
        assert following["blocked"] == []
        assert decision.selected is not None
        assert decision.selected[0]
    # a client without energy now does not join the list
    dark = replace(fleet, harvest_j=np.array([[0.0], [1e4], [1e4]]))
    assert policy.decide(dark, policy.init(0) | often)[1]["blocked"] == []


def test_fedzero_blocks_by_the_quantile_of_utility() -> None:
    fleet = fleet_of([1.0] * 3, harvest_j=np.full((3, 1), 1e4), mean_loss=np.array([3.0, 1.0, 2.0]))
    fleet = replace(fleet, num_examples=np.full(3, 100))
    policy = make_policy("fedzero", clients=1, release=1e-9, exclusion_share=0.5)
    state = policy.init(0) | {"last": list(fleet.node_ids), "rounds": dict.fromkeys(fleet.node_ids, 2)}
    assert policy.decide(fleet, state)[1]["blocked"] == ["edge-01", "edge-02"]


def test_fedzero_counts_the_time_of_every_slot() -> None:
    """Slots of 60 s. Now a node has time for the limits' batches; later for 60 s over those of a batch, and for as many
    as anybody could have where a batch takes none."""
    seconds = np.array([[7.0, 7.0, 0.0], [20.0, 0.0, 30.0]])
    fleet = replace(reference_day(3, nodes=2), seconds_per_batch=seconds)
    limits = WorkLimits.of(fleet, np.array([True, False]))
    assert limits.capacity.tolist() == [8, 0]
    assert fedzero._capacity(fleet, limits).tolist() == [[8.0, 8.0, 1e9], [0.0, 1e9, 2.0]]
    # a rounding error below a whole number is that number
    third = replace(fleet, slot_s=0.3, seconds_per_batch=np.full((2, 3), 0.1))
    assert fedzero._capacity(third, limits)[:, 1:].tolist() == [[3.0, 3.0]] * 2
