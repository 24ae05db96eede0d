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


def test_fedzero_renews_the_mean_of_its_cycle_by_the_clock() -> None:
    """A cycle is a day: slot 30 of an hour each is beyond one that began at 0, slot 2 is not."""
    fleet = replace(fleet_of([1.0] * 3, harvest_j=np.array([[0.0], [1e4], [1e4]])), slot_s=3600.0)
    policy = make_policy("fedzero", clients=1)
    state = policy.init(0) | {
        "cycle": {"begun_s": 0.0, "mean": 0.5, "active": ["edge-00", "edge-02"]},
        "rounds": {"edge-00": 4, "edge-01": 1, "edge-02": 8},
    }
    later = policy.decide(replace(fleet, slot=30), state)[1]["cycle"]
    assert later == {"begun_s": 108_000.0, "mean": 6.0, "active": ["edge-01", "edge-02"]}
    sooner = policy.decide(replace(fleet, slot=2), state)[1]["cycle"]
    assert sooner == {"begun_s": 0.0, "mean": 0.5, "active": ["edge-00", "edge-02", "edge-01"]}
    begun = policy.decide(replace(fleet, slot=2), state | {"cycle": policy.init(0)["cycle"]})[1]["cycle"]
    assert begun == {"begun_s": 7200.0, "mean": 0.0, "active": ["edge-01", "edge-02"]}


def test_fedzero_shares_surplus_in_proportion_to_lack() -> None:
    """J by node, less 0.5 J a batch: 3, 1, -2 and -0.5 in zone 0; 0.25 and -2 in zone 1; 9 in zone 2."""
    fleet = fleet_of([1.0] * 7, joules_per_batch=np.full((7, 1), 0.5))
    work = np.array([2, 0, 4, 1, 1, 6, 2])
    view = fedzero._View(
        place={},
        limits=WorkLimits.of(fleet, np.ones(7, dtype=bool)),
        domain=np.array([0, 0, 0, 0, 1, 1, 2]),
        energy_j=np.array([4.0, 1.0, 0.0, 0.0, 0.75, 1.0, 10.0]),
        present=np.ones(7, dtype=bool),
    )
    found = fedzero._shares(fleet, view, work)
    assert list(zip(found.source.tolist(), found.target.tolist(), found.amount.tolist(), strict=True)) == [
        (0, 2, 1.5),
        (0, 3, 0.375),
        (1, 2, 0.5),
        (1, 3, 0.125),
        (4, 5, 0.25),
    ]
    none = fedzero._shares(fleet, replace(view, energy_j=np.full(7, 10.0)), work)
    assert len(none.amount) == 0


def test_fedzero_sees_who_has_work_time_and_a_domain_with_energy() -> None:
    """Nodes 0 and 1 share what node 1 harvests; node 2 is dark; node 3 has no work, node 4 no time."""
    intensity = np.array([[5.0], [5.0], [1.0], [9.0], [9.0]])
    fleet = replace(
        fleet_of([1.0] * 5, harvest_j=np.array([[0.0], [0.5], [0.0], [7.0], [8.0]])),
        intensity_g_per_kwh=intensity,
        backlog_batches=np.array([[10], [20], [10], [0], [10]]),
        seconds_per_batch=np.array([[1.0], [1.0], [1.0], [1.0], [1e9]]),
    )
    view = fedzero._View.of(fleet, "zone")
    assert view.place == {"edge-00": 0, "edge-01": 1, "edge-02": 2, "edge-03": 3, "edge-04": 4}
    assert view.domain.tolist() == [1, 1, 0, 2, 2]
    assert view.energy_j.tolist() == [0.0, 0.5, 0.0, 7.0, 8.0]
    assert view.present.tolist() == [True, True, False, False, False]
    assert view.limits.available.tolist() == [10, 20, 10, 0, 10]
    alone = fedzero._View.of(fleet, "node")
    assert alone.domain.tolist() == [0, 1, 2, 3, 4]
    assert alone.present.tolist() == [False, True, False, False, False]


def test_fedzero_tells_why_work_is_left_and_ends_a_round_with_its_last_slot() -> None:
    """36 J a batch; two of ten are the least. Node 1's 36 J pay for one: in its only slot it does not finish."""
    fleet = fleet_of([1.0] * 2, harvest_j=np.array([[144.0], [144.0]]), mean_loss=np.array([1.0, np.nan]))
    policy = make_policy("fedzero", clients=2, least_share=0.2)
    decision, state = policy.decide(fleet, policy.init(4))
    assert decision.outcome == Feasible(None, "only excess energy is used")
    assert decision.notes == {"blocked": 0.0}
    assert decision.selected is not None
    assert decision.selected.tolist() == [True, True]
    assert decision.home_batches.tolist() == [4, 4]
    assert {**state, "cycle": None} == {
        "seed": 4,
        "blocked": [],
        "cycle": None,
        "rounds": {"edge-00": 1, "edge-01": 1},
        "last": ["edge-00", "edge-01"],
        "members": {},
        "left": 0,
    }
    # a round that goes on: what is left of it, and a member that is no longer there
    running = policy.init(4) | {
        "members": {
            "edge-00": {"done": 1, "least": 9, "most": 10},
            "gone": {"done": 0, "least": 1, "most": 2},
        },
        "left": 3,
        "rounds": {"edge-01": 2},
    }
    decision, state = policy.decide(fleet, running)
    assert decision.home_batches.tolist() == [4, 0]
    assert state == running | {"members": {"edge-00": {"done": 5, "least": 9, "most": 10}}, "left": 2}
    # its last slot: node 0 has worked and has not finished
    decision, state = policy.decide(fleet, running | {"left": 1})
    assert state == running | {"members": {}, "left": 0, "rounds": {"edge-01": 2, "edge-00": 1}, "last": []}


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("least_share", (0.0, 1.0), (-0.1, 1.1)),
        ("exclusion_share", (0.0, 1.0), (-0.1, 1.1)),
        ("release", (0.0, 3.0), (-1.0, float("inf"), float("nan"))),
        ("domains", ("node", "zone"), ("NODE", "ZONE", "")),
    ],
)
def test_fedzero_refuses_options_out_of_range(
    name: str, good: tuple[object, ...], bad: tuple[object, ...]
) -> None:
    for value in good:
        assert getattr(fedzero.FedZero(**{name: value}), name) == value  # type: ignore[arg-type]
    for value in bad:
        with pytest.raises(ValueError, match=rf"^{name} is {value!r}; allowed"):
            fedzero.FedZero(**{name: value})  # type: ignore[arg-type]
