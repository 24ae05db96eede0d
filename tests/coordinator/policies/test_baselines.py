"""Each baseline's rule pinned on a case worked out by hand (methods.md section 3)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.market.rounding import WorkLimits
from coordinator.policies.base import Feasible
from coordinator.policies.energy_proportional import proportional_batches
from coordinator.policies.fedzero import attribute_energy, best_selection, release_probability
from coordinator.policies.hard_budget import work_g
from coordinator.policies.lowcarb import forecast_windows, lowcarb_scores
from coordinator.policies.nearest_green import nearest_green_batches
from coordinator.policies.oort import oort_scores, slowness
from coordinator.policies.registry import make_policy
from coordinator.policies.time_shift import shifted_batches


def fleet_of(intensity: list[float], **changes: Any) -> Fleet:
    """Nodes of the given intensities, one slot, no harvest, no battery, ten batches of 36 J each."""
    n = len(intensity)
    fleet = replace(
        reference_day(1, nodes=n),
        intensity_g_per_kwh=np.array(intensity, dtype=float)[:, None],
        harvest_j=np.zeros((n, 1)),
        backlog_batches=np.full((n, 1), 10),
        joules_per_batch=np.full((n, 1), 36.0),
        seconds_per_batch=np.ones((n, 1)),
        battery_capacity_j=np.zeros(n),
        static_w=np.zeros(n),
    )
    return replace(fleet, **changes) if changes else fleet


def chosen(fleet: Fleet, name: str, seed: int = 0, **options: Any) -> list[int]:
    policy = make_policy(name, **options)
    decision, _ = policy.decide(fleet, policy.init(seed))
    assert decision.selected is not None
    return np.flatnonzero(decision.selected).tolist()


def test_random_is_uniform_and_seeded() -> None:
    fleet = fleet_of([1.0] * 4)
    assert chosen(fleet, "random", seed=3, clients=2) == chosen(fleet, "random", seed=3, clients=2)
    counts = np.zeros(4)
    for slot in range(400):
        counts[chosen(replace(fleet, slot=slot), "random", clients=2)] += 1
    assert counts.sum() == 800
    assert (np.abs(counts - 200) < 50).all()


def test_lowest_ci_takes_the_cleanest_ties_to_the_first() -> None:
    assert chosen(fleet_of([300.0, 100.0, 200.0, 100.0]), "lowest-ci", clients=2) == [1, 3]
    assert chosen(fleet_of([5.0, 5.0, 5.0]), "lowest-ci", clients=1) == [0]


def test_half_of_the_nodes_unless_told_and_never_more_than_there_are() -> None:
    assert len(chosen(fleet_of([1.0, 2.0, 3.0]), "lowest-ci")) == 2
    assert len(chosen(fleet_of([1.0, 2.0]), "lowest-ci", clients=9)) == 2
    with pytest.raises(ValueError, match="1 or more"):
        make_policy("lowest-ci", clients=0)


def test_lowcarb_windows_grow_with_participation() -> None:
    # 2 p / p_max - 1 of 0, 5, 8, 10 rounds: 0 (below half), 0, 0.6, 1 of ten slots
    assert forecast_windows(np.array([0, 5, 8, 10]), 10).tolist() == [0, 0, 6, 10]
    assert forecast_windows(np.array([0, 0]), 7).tolist() == [7, 7]


def test_lowcarb_scores_by_hand() -> None:
    intensity = np.array(
        [
            [100.0, 50.0, 10.0],  # window 0: large - 100
            [200.0, 150.0, 90.0],  # window 0 as well: large - 200, so after node 0
            [300.0, 280.0, 100.0],  # window 1: 280 - 300 = -20
            [300.0, 400.0, 250.0],  # window 2: min(100, -50) = -50
            [10.0, 10.0, 10.0],  # above the 80th percentile of participation: last
        ]
    )
    count = np.array([0, 2, 6, 8, 8])
    scores = lowcarb_scores(intensity, count, 2)
    assert scores[0] > scores[1] > 1e8
    assert scores[2:].tolist() == [-20.0, -50.0, -50.0 + 50.0]
    # the percentile is of participation itself: with one node far ahead only that one is left out
    ahead = lowcarb_scores(intensity, np.array([0, 2, 6, 8, 20]), 2)
    assert ahead[4] == -np.inf
    fleet = fleet_of([1.0] * 5)
    fleet = replace(
        reference_day(3, nodes=5), intensity_g_per_kwh=intensity, participations=np.array([0, 2, 6, 8, 20])
    )
    assert chosen(fleet, "lowcarb", clients=2, forecast_slots=2) == [0, 1]


def test_oort_slowness_by_hand() -> None:
    # preferred 10 s, alpha 2: a node of 20 s counts a quarter
    assert slowness(np.array([5.0, 10.0, 20.0]), 10.0, 2.0).tolist() == [1.0, 1.0, 0.25]


def test_oort_scores_by_hand() -> None:
    utility = np.array([100.0, 300.0, 0.0])
    known = np.array([True, True, False])
    # round 4, last selected in rounds 1 and 3: bonuses sqrt(0.1 ln 4 / 1) and sqrt(0.1 ln 4 / 3)
    scores = oort_scores(utility, np.array([1, 3, 1]), 4, known)
    high, low = np.percentile([100.0, 300.0], 95), 99.9
    assert scores[0] == pytest.approx((100 - low) / (high - low) + np.sqrt(0.1 * np.log(4)))
    assert scores[1] == pytest.approx(1.0 + np.sqrt(0.1 * np.log(4) / 3))
    assert scores[2] == 0.0


def test_oort_explores_then_exploits() -> None:
    unknown = fleet_of([1.0] * 6, mean_loss=np.full(6, np.nan))
    assert len(chosen(unknown, "oort", clients=3)) == 3
    # all known, loss of node 5 far above: with a cut-off at the k-th best it is always exploited
    loss = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 5.0])
    known = fleet_of([1.0] * 6, mean_loss=loss, participations=np.ones(6, dtype=np.int64))
    for slot in range(10):
        assert 5 in chosen(replace(known, slot=slot), "oort", clients=1)


def test_oort_epsilon_decays_to_its_floor() -> None:
    policy = make_policy("oort", clients=2)
    state, shares = policy.init(0), []
    fleet = fleet_of([1.0] * 4)
    for slot in range(200):
        decision, state = policy.decide(replace(fleet, slot=slot), state)
        shares.append(decision.notes["exploration_share"])
    assert shares[:2] == pytest.approx([0.9, 0.9 * 0.98])
    assert shares[-1] == 0.2
    assert json.loads(json.dumps(state)) == state


def test_fedzero_attributes_minimum_first_then_what_is_missing() -> None:
    # 100 J, 10 J a batch; minima 2 and 4 take 60 J, the rest in proportion to 4 and 12 still missing
    given = attribute_energy(100.0, np.full(2, 10.0), np.array([2.0, 4.0]), np.array([6.0, 16.0]))
    assert given == pytest.approx([3.0, 7.0])
    # not even the minima: 30 J of 60 J, half of each minimum
    given = attribute_energy(30.0, np.full(2, 10.0), np.array([2.0, 4.0]), np.array([6.0, 16.0]))
    assert given == pytest.approx([1.0, 2.0])


@pytest.mark.parametrize("energy", [0.0, 35.0, 60.0, 1e6])
def test_fedzero_never_spends_an_energy_twice(energy: float) -> None:
    joules = np.array([10.0, 7.0, 3.0])
    given = attribute_energy(energy, joules, np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]))
    assert (given * joules).sum() <= energy + 1e-9
    assert (given <= [4.0, 5.0, 6.0]).all()


def test_fedzero_selects_by_utility_within_domains() -> None:
    # nodes 0 and 1 share 40 J, node 2 has 100 J; 10 J a batch, 3 to 8 batches each. With two clients, 0 and 2
    # give 1.0 * 4 + 0.5 * 8 = 8, 1 and 2 give 0.9 * 4 + 0.5 * 8, and 0 and 1 cannot both reach 3 of the 40 J
    arguments: dict[str, Any] = {
        "utility": np.array([1.0, 0.9, 0.5]),
        "least": np.full(3, 3.0),
        "most": np.full(3, 8.0),
        "capacity": np.full((3, 1), 50.0),
        "joules_per_batch": np.full((3, 1), 10.0),
        "energy_j": np.array([[40.0], [0.0], [100.0]]),
        "domain": np.array([0, 0, 1]),
        "allowed": np.ones(3, dtype=bool),
    }
    assert best_selection(count=2, **arguments).tolist() == [True, False, True]  # type: ignore[union-attr]
    assert best_selection(count=3, **arguments) is None


def test_fedzero_looks_for_the_shortest_round_and_waits_in_the_dark() -> None:
    day = reference_day(4, nodes=2)
    harvest = np.array([[0.0, 0.0, 400.0, 0.0]] * 2)
    fleet = replace(
        day,
        harvest_j=harvest,
        static_w=np.zeros(2),
        backlog_batches=np.full((2, 1), 10),
        battery_capacity_j=np.zeros(2),
    )
    policy = make_policy("fedzero", clients=2)
    decision, state = policy.decide(fleet, policy.init(0))
    assert decision.selected is not None
    assert decision.selected.all()
    assert state["left"] == 2  # three slots in all, the first of them now
    assert decision.batches.sum() == 0  # no energy yet
    dark = replace(fleet, harvest_j=np.zeros((2, 4)))
    decision, state = policy.decide(dark, policy.init(0))
    assert decision.selected is not None
    assert not decision.selected.any()
    assert isinstance(decision.outcome, Feasible)
    assert decision.unserved_batches.sum() == 20  # reported, not hidden
    assert json.loads(json.dumps(state)) == state


def test_fedzero_blocklist_releases_by_chance() -> None:
    # mean 3: at or below it always, one above with 1/1, three above with 1/3
    assert release_probability(np.array([1, 1, 4, 6]), 1.0).tolist() == pytest.approx([1.0, 1.0, 1.0, 1 / 3])


def test_fedzero_blocks_recent_participants() -> None:
    fleet = fleet_of([1.0, 2.0, 3.0], harvest_j=np.full((3, 1), 1e4), participations=np.array([9, 0, 0]))
    policy = make_policy("fedzero", clients=1, release=0.0)
    state = policy.init(0) | {"last": ["edge-00"]}
    decision, following = policy.decide(fleet, state)
    assert following["blocked"] == ["edge-00"]
    assert decision.selected is not None
    assert not decision.selected[0]


def test_energy_proportional_by_hand() -> None:
    # 36 J a batch: 100 J pay for two whole batches, 1000 J for 27
    assert proportional_batches(np.array([100.0, 1000.0, 0.0]), np.full(3, 36.0)).tolist() == [2, 27, 0]
    fleet = fleet_of([1.0] * 3, harvest_j=np.array([[100.0], [1000.0], [0.0]]))
    policy = make_policy("energy-proportional")
    decision, _ = policy.decide(fleet, policy.init(0))
    assert np.diag(decision.batches).tolist() == [2, 10, 1]
    assert decision.unserved_batches.tolist() == [8, 0, 9]
    serving, _ = policy.decide(replace(fleet, stage="application"), policy.init(0))
    assert np.diag(serving.batches).tolist() == [10, 10, 10]


def limits_of(**changes: Any) -> WorkLimits:
    four = {
        "available": np.array([10, 10, 0, 0]),
        "due": np.array([10, 10, 0, 0]),
        "may_leave": np.array([5, 5, 0, 0]),
        "capacity": np.array([20, 20, 3, 20]),
        "guest_room": np.full(4, 100),
    }
    return WorkLimits(**(four | changes))


def test_nearest_green_by_hand() -> None:
    # node 2 is nearest and green (79 < 0.8 * 100) with room for 3; node 3 (80) is not green for 0 and 1
    batches = nearest_green_batches(np.array([100.0, 100.0, 79.0, 80.0]), limits_of(), 0.8)
    assert batches[0].tolist() == [7, 0, 3, 0]
    assert batches[1].tolist() == [0, 10, 0, 0]
    # with node 3 cleaner too, what node 2 has no room for goes there
    batches = nearest_green_batches(np.array([100.0, 100.0, 79.0, 10.0]), limits_of(), 0.8)
    assert batches[0].tolist() == [5, 0, 3, 2]
    assert batches[1].tolist() == [0, 5, 0, 5]
    # storage counts as well
    tight = limits_of(guest_room=np.array([0, 0, 1, 0]))
    assert nearest_green_batches(np.array([100.0, 100.0, 79.0, 10.0]), tight, 0.8).sum(axis=0).tolist() == [
        9,
        10,
        1,
        0,
    ]


def test_nearest_green_sends_first_what_does_not_fit_at_home() -> None:
    tight = limits_of(capacity=np.array([8, 20, 0, 20]))
    batches = nearest_green_batches(np.array([100.0, 100.0, 79.0, 10.0]), tight, 0.8)
    assert batches[0].tolist() == [5, 0, 0, 5]


def test_hard_budget_stops_when_spent() -> None:
    # 360 J at 360 and 720 g/kWh: 0.036 g and 0.072 g
    fleet = fleet_of([720.0, 360.0])
    assert work_g(fleet) == pytest.approx([0.072, 0.036])
    policy = make_policy("hard-budget", clients=2, budget_g=0.1)
    decision, state = policy.decide(fleet, policy.init(0))
    assert decision.selected is not None
    assert decision.selected.tolist() == [False, True]  # both would come to 0.108 g
    decision, state = policy.decide(fleet, state)
    assert decision.selected is not None
    assert decision.selected.tolist() == [False, True]
    decision, state = policy.decide(fleet, state)
    assert decision.selected is not None
    assert not decision.selected.any()
    assert state["spent_g"] == pytest.approx(0.072)


def test_hard_budget_counts_green_energy_as_free() -> None:
    assert work_g(fleet_of([360.0], harvest_j=np.array([[300.0]]))) == pytest.approx([60 * 1e-4])


def test_time_shift_waits_for_the_cheapest_slots() -> None:
    intensity = np.array([[300.0, 100.0, 200.0], [50.0, 100.0, 200.0], [100.0, 100.0, 200.0]])
    backlog = np.array([[0, 0, 10]] * 3)
    # k = 1: node 0 waits for slot 1, node 1 runs now, node 2 ties and runs now
    assert shifted_batches(intensity, backlog, 1).tolist() == [0, 10, 10]
    # k = 2: node 0's two cheapest are slots 1 and 2; the others run half now
    assert shifted_batches(intensity, backlog, 2).tolist() == [0, 5, 5]
    # work at its deadline always runs
    assert shifted_batches(intensity, np.array([[4, 0, 10]] * 3), 1).tolist() == [4, 14, 14]


def test_time_shift_runs_everything_by_its_deadline() -> None:
    day = reference_day(3, nodes=1)
    fleet = replace(
        day,
        limits=replace(day.limits, deadline_slots=2),
        backlog_batches=np.array([[0, 0, 10]]),
        intensity_g_per_kwh=np.array([[300.0, 100.0, 200.0]]),
    )
    policy = make_policy("time-shift")
    decision, _ = policy.decide(fleet, policy.init(0))
    assert decision.batches.sum() == 0
    assert decision.unserved_batches.sum() == 0


def test_oracle_needs_the_truth() -> None:
    fleet = reference_day(4, nodes=2)
    oracle = make_policy("oracle")
    with pytest.raises(ValueError, match="perfect foresight"):
        oracle.decide(fleet, None)
    wrong = replace(
        fleet,
        true_intensity_g_per_kwh=fleet.intensity_g_per_kwh,
        true_harvest_j=fleet.harvest_j,
        intensity_g_per_kwh=np.roll(fleet.intensity_g_per_kwh, 3, axis=0),
        harvest_j=np.zeros_like(fleet.harvest_j),
    )
    told, _ = oracle.decide(wrong, None)
    deta, _ = make_policy("deta").decide(fleet, None)
    np.testing.assert_array_equal(told.batches, deta.batches)
