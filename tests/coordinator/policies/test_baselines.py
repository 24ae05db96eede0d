"""Each baseline's rule pinned on a case worked out by hand (methods.md section 3)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from coordinator.market.decision import Feasible
from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.market.rounding import WorkLimits
from coordinator.policies.energy_proportional import green_energy_j, proportional_batches
from coordinator.policies.fedzero_blocklist import Cycle, release_probability, released, with_participants
from coordinator.policies.fedzero_energy import attribute_energy
from coordinator.policies.fedzero_selection import best_selection, scaled_utility, shortest_round
from coordinator.policies.hard_budget import work_g
from coordinator.policies.lowcarb import forecast_windows, lowcarb_scores
from coordinator.policies.nearest_green import nearest_green_batches
from coordinator.policies.oort import oort_scores, preferred_duration_s, slowness
from coordinator.policies.registry import PolicyError, make_policy, traits_of
from coordinator.policies.selection import statistical_utility
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


@pytest.mark.parametrize(
    ("name", "option", "good", "bad"),
    [
        *(
            ("oort", key, (0.0, 1.0), (-0.01, 1.01))
            for key in ("epsilon", "epsilon_decay", "epsilon_least", "clip", "cut_off")
        ),
        ("oort", "preferred_percentile", (0.0, 100.0), (-0.1, 100.1)),
        ("oort", "pacer_step", (1,), (0,)),
        ("oort", "sample_window", (1.0,), (0.9,)),
        ("oort", "penalty", (0.0,), (-0.1, np.inf)),
        ("oort", "pacer_delta", (0.0,), (-0.1, np.nan)),
        ("fedzero", "least_share", (0.0, 1.0), (-0.01, 1.01)),
        ("fedzero", "exclusion_share", (0.0, 1.0), (-0.01, 1.01)),
        ("fedzero", "release", (0.0,), (-0.1, np.nan)),
        ("fedzero", "domains", ("node", "zone"), ("grid",)),
        ("lowcarb", "forecast_slots", (1,), (0,)),
        ("hard-budget", "budget_g", (0.0,), (-0.1, np.inf)),
        ("energy-proportional", "least_batches", (0,), (-1,)),
        ("nearest-green", "threshold", (0.01, 1.0), (0.0, 1.01)),
        ("time-shift", "cheapest", (1,), (0,)),
        *((name, "clients", (1,), (0,)) for name in ("oort", "fedzero", "lowcarb", "hard-budget", "random")),
    ],
)
def test_options_have_bounds(name: str, option: str, good: tuple[Any, ...], bad: tuple[Any, ...]) -> None:
    for value in good:
        make_policy(name, **{option: value})
    for value in bad:
        with pytest.raises(PolicyError, match=f"{option} is"):
            make_policy(name, **{option: value})


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


def test_lowcarb_windows_grow_with_participation() -> None:
    # 2 p / p_max - 1 of 0, 5, 8, 10 rounds: 0 (below half), 0, 0.6, 1 of ten slots
    assert forecast_windows(np.array([0, 5, 8, 10]), 10).tolist() == [0, 0, 6, 10]
    assert forecast_windows(np.array([0, 0]), 7).tolist() == [7, 7]


def test_lowcarb_scores_by_hand() -> None:
    intensity = np.array(
        [
            [200.0, 50.0, 10.0],  # window 0: in any case
            [
                100.0,
                150.0,
                90.0,
            ],  # window 0 as well, cleaner, and yet after node 0: they tie, as in the original
            [300.0, 280.0, 100.0],  # window 1: 280 - 300 = -20
            [300.0, 400.0, 250.0],  # window 2: min(100, -50) = -50
            [10.0, 10.0, 10.0],  # above the 80th percentile of participation: last
        ]
    )
    count = np.array([0, 2, 6, 8, 8])
    scores = lowcarb_scores(intensity, count, 2)
    assert scores[0] == scores[1] > 1e18
    assert scores[2:].tolist() == [-20.0, -50.0, -50.0 + 50.0]
    # the percentile is of participation itself: with one node far ahead only that one is left out
    ahead = lowcarb_scores(intensity, np.array([0, 2, 6, 8, 20]), 2)
    assert ahead[4] == -np.inf
    # of 22 nodes with 0 to 21 rounds those above 16.8
    many = lowcarb_scores(np.full((22, 2), 100.0), np.arange(22), 1)
    assert np.isneginf(many).tolist() == [False] * 17 + [True] * 5
    fleet = fleet_of([1.0] * 5)
    fleet = replace(
        reference_day(3, nodes=5), intensity_g_per_kwh=intensity, participations=np.array([0, 2, 6, 8, 20])
    )
    assert chosen(fleet, "lowcarb", clients=2, forecast_slots=2) == [0, 1]


def test_lowcarb_looks_as_far_as_it_is_told_and_can() -> None:
    """Before the first participation every window is the longest. One slot ahead node 1 improves least, two ahead node
    0."""
    intensity = np.array([[100.0, 50.0, 90.0], [100.0, 60.0, 20.0]])
    fleet = replace(
        reference_day(3, nodes=2), intensity_g_per_kwh=intensity, participations=np.zeros(2, dtype=np.int64)
    )
    assert chosen(fleet, "lowcarb", clients=1, forecast_slots=1) == [1]
    assert chosen(fleet, "lowcarb", clients=1, forecast_slots=2) == [0]
    # half of the longest window, which is what is known: 1 of 2 slots for node 1, and 2 of 2 for node 0
    half = replace(
        reference_day(3, nodes=3),
        intensity_g_per_kwh=np.vstack([intensity, [100.0, 10.0, 10.0]]),
        participations=np.array([4, 3, 4]),
    )
    assert chosen(half, "lowcarb", clients=1, forecast_slots=12) == [1]
    assert traits_of("lowcarb").wanted_horizon(0) == 13
    assert traits_of("lowcarb", forecast_slots=4).wanted_horizon(0) == 5


def test_oort_slowness_by_hand() -> None:
    # preferred 10 s, alpha 2: a node of 20 s counts a quarter
    assert slowness(np.array([5.0, 10.0, 20.0]), 10.0, 2.0).tolist() == [1.0, 1.0, 0.25]


def test_oort_prefers_the_duration_at_a_percentile() -> None:
    duration = np.array([40.0, 10.0, 30.0, 20.0])
    assert [preferred_duration_s(duration, p) for p in (0.0, 30.0, 50.0, 99.0)] == [10.0, 20.0, 30.0, 40.0]
    assert preferred_duration_s(duration, 100.0) == np.inf


def test_oort_scores_by_hand() -> None:
    # rewards of all count for the range, also of node 2, which is not known yet: 300 - 0.999 * 40, clipped at the third
    # of four. Round 5: bonuses sqrt(0.1 ln 4 / 1) and sqrt(0.1 ln 4 / 3)
    reward = np.array([100.0, 300.0, 40.0, 200.0])
    known = np.array([True, True, False, True])
    scores = oort_scores(reward, np.array([1, 3, 1, 2]), 4, known, clip=0.5)
    low, spread = 0.999 * 40.0, 300.0 - 0.999 * 40.0
    assert scores[0] == pytest.approx((100 - low) / spread + np.sqrt(0.1 * np.log(4)))
    assert scores[1] == pytest.approx((200 - low) / spread + np.sqrt(0.1 * np.log(4) / 3))
    assert scores[2] == 0.0
    assert scores[3] == pytest.approx((200 - low) / spread + np.sqrt(0.1 * np.log(4) / 2))


def test_oort_brings_tiny_rewards_to_a_range_of_their_own() -> None:
    # all 0.02: the range is 0.001 * 0.02, but counts as 1e-4; and rewards of nothing at all are worth the bonus
    scores = oort_scores(np.full(2, 0.02), np.array([1, 2]), 1, np.array([True, True]), clip=0.9)
    assert scores == pytest.approx([0.2, 0.2])
    bonus = np.sqrt(0.1 * np.log(7) / 2)
    # a reward of nothing is not the least of the range: (100 - 99.9) / (200 - 99.9)
    mixed = oort_scores(np.array([0.0, 100.0, 200.0]), np.ones(3), 1, np.ones(3, dtype=bool), clip=1.0)
    assert mixed[1:] == pytest.approx([0.1 / 100.1, 1.0])
    assert oort_scores(np.zeros(1), np.array([2]), 7, np.array([True]), clip=0.9) == pytest.approx([bonus])


def trained_fleet(loss: list[float], seconds: list[float] | None = None) -> Fleet:
    """Nodes that have all trained once, with 100 examples each."""
    n = len(loss)
    return fleet_of(
        [1.0] * n,
        mean_loss=np.array(loss),
        participations=np.ones(n, dtype=np.int64),
        num_examples=np.full(n, 100),
        seconds_per_batch=np.array(seconds or [1.0] * n)[:, None],
    )


def shares(fleet: Fleet, rounds: int = 200, **options: Any) -> np.ndarray:
    """(N,) share of first rounds, over slots as seeds, in which a node is chosen."""
    counts = np.zeros(fleet.size)
    for slot in range(rounds):
        counts[chosen(replace(fleet, slot=slot), "oort", **options)] += 1
    return counts / rounds


def test_oort_is_random_before_the_first_training() -> None:
    unknown = fleet_of([1.0] * 6, mean_loss=np.full(6, np.nan))
    assert shares(unknown, clients=3).sum() == pytest.approx(3.0)
    assert (np.abs(shares(unknown, clients=3) - 0.5) < 0.15).all()


def test_oort_exploits_the_larger_loss() -> None:
    # rewards 100 and 500: shares 0 (to a thousandth of the range) and 1 in the first round, where the bonus is 0
    picked = shares(trained_fleet([1.0, 1.0, 1.0, 5.0]), clients=1, clip=1.0)
    assert picked[3] > 0.99
    assert shares(trained_fleet([1.0, 2.0, 3.0]), clients=1)[[0, 1, 2]].argsort().tolist() == [0, 1, 2]


def test_oort_knows_who_has_trained_and_said_its_loss() -> None:
    """Node 1 has trained and reported no loss, node 2 reports a loss of another training: both are unknown."""
    fleet = replace(
        trained_fleet([1.0, np.nan, 9.0]),
        participations=np.array([1, 1, 0]),
        num_examples=np.array([1, 50, 50]),
    )
    assert shares(fleet, 50, clients=1).tolist() == [1.0, 0.0, 0.0]  # one is exploited, none explored
    # scores of zero are drawn with equal probability
    flat = shares(trained_fleet([0.0, 0.0, 0.0]), 300, clients=1)
    assert flat == pytest.approx(np.full(3, 1 / 3), abs=0.1)


def test_oort_squares_the_penalty_of_slow_nodes_only() -> None:
    """Two of three nodes take 10 s, preferred; the third takes 20 s and scores a quarter, without penalty the same."""
    slow = trained_fleet([2.0, 2.0, 2.0], [1.0, 1.0, 2.0])
    # range of equal rewards: 200 - 199.8 = 0.2, so every share is 1 and chances are 1 : 1 : 1/4
    assert shares(slow, 600, clients=1)[2] == pytest.approx(1 / 9, abs=0.04)
    assert shares(slow, 600, clients=1, penalty=0.0)[2] == pytest.approx(1 / 3, abs=0.06)
    assert shares(slow, 600, clients=1, preferred_percentile=100.0)[2] == pytest.approx(1 / 3, abs=0.06)
    # a duration is seconds a batch times batches: node 2 has twice the work
    busy = replace(trained_fleet([2.0] * 3), backlog_batches=np.array([[10], [10], [20]]))
    assert shares(busy, 600, clients=1)[2] == pytest.approx(1 / 9, abs=0.04)
    fast = trained_fleet([2.0, 2.0, 2.0], [2.0, 2.0, 1.0])
    assert shares(fast, 600, clients=1, preferred_percentile=50.0)[2] == pytest.approx(1 / 3, abs=0.06)


def test_oort_explores_the_large_and_the_fast() -> None:
    """Nodes 1 to 3 are unknown, with 100, 400 and 400 examples; node 3 takes twice the preferred time: 100."""
    fleet = fleet_of(
        [1.0] * 4,
        mean_loss=np.array([1.0, np.nan, np.nan, np.nan]),
        participations=np.array([1, 0, 0, 0]),
        num_examples=np.array([100, 100, 400, 400]),
        seconds_per_batch=np.array([[1.0], [1.0], [1.0], [2.0]]),
    )
    picked = shares(fleet, 600, clients=2, epsilon=0.6, epsilon_decay=1.0)
    assert picked[0] == 1.0  # one exploited, one explored
    assert picked[1:] == pytest.approx([1 / 6, 4 / 6, 1 / 6], abs=0.05)
    # a window of one: only the heaviest
    assert shares(fleet, 50, clients=2, epsilon=0.6, epsilon_decay=1.0, sample_window=1.0).tolist() == [
        1,
        0,
        1,
        0,
    ]


def test_oort_cuts_off_low_scores_once_enough_are_admitted() -> None:
    """Of 30 nodes one is exploited: ten are admitted, and beyond these only what reaches the cut-off."""
    loss = [10.0 - 0.01 * k for k in range(11)] + [0.1] * 19
    rare = shares(trained_fleet(loss), 400, clients=1, cut_off=0.95, epsilon=0.0, epsilon_least=0.0, clip=1.0)
    assert rare[11:].sum() == 0.0
    assert (rare[:11] > 0).all()
    kept = trained_fleet([10.0 - 0.01 * k for k in range(5)] + [7.0] * 24 + [0.1])
    some = shares(kept, 400, clients=1, cut_off=0.95, epsilon=0.0, epsilon_least=0.0)
    assert (some[5:11] > 0).all()  # below the cut-off, but among the first eleven
    assert some[11:].sum() == 0.0


def test_oort_paces_the_preferred_duration() -> None:
    """Flat utility raises the percentile by the step, a fivefold change lowers it, anything else leaves it."""
    fleet = trained_fleet([1.0, 2.0, 3.0, 4.0])

    def percentile(before: float, now: float, at: int = 4) -> float:
        policy = make_policy("oort", clients=2, pacer_step=2, pacer_delta=7.0)
        state = policy.init(0) | {"round": at + 1, "history": [before, before, now]}
        # two nodes were exploited last and trained since: their mean reward is the newest entry
        ready = replace(fleet, mean_loss=np.full(4, now / 100.0), participations=np.full(4, 2))
        told = dict.fromkeys(fleet.node_ids, 1)
        state |= {"exploited": list(fleet.node_ids[:2]), "trained": told}
        return float(policy.decide(ready, state)[1]["percentile"])

    policy = make_policy("oort", clients=2)
    seen = {"round": 2, "exploited": ["edge-01", "edge-03"], "trained": {}, "explored": ["edge-00"]}
    # rewards 200 and 400 of the two exploited, over 2 and a ten-thousandth, as in the original
    told = policy.decide(fleet, policy.init(0) | seen)[1]["history"]
    assert told == pytest.approx([600.0 / 2.0001], rel=1e-9)
    # node 3 has not trained since the round before
    told = policy.decide(fleet, policy.init(0) | seen | {"trained": {"edge-03": 1}})[1]["history"]
    assert told == pytest.approx([200.0 / 1.0001], rel=1e-9)
    assert percentile(100.0, 105.0) == 37.0
    assert percentile(100.0, 95.0) == 37.0
    assert percentile(100.0, 120.0) == 30.0
    assert percentile(100.0, 700.0) == 23.0
    assert percentile(100.0, 590.0) == 30.0
    assert percentile(100.0, 105.0, at=3) == 30.0  # not a step of the pacer
    assert percentile(100.0, 105.0, at=2) == 30.0  # too early


def test_oort_repeats_what_it_explored_last_or_exploits_instead() -> None:
    fleet = trained_fleet([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    for repeat, several in ((True, {2, 3}), (False, {3})):
        policy = make_policy("oort", clients=3, repeat_explored=repeat)
        state = policy.init(0) | {"round": 9, "explored": ["edge-05"]}
        decision, following = policy.decide(fleet, state)
        assert decision.selected is not None
        assert int(decision.selected.sum()) in several
        assert bool(decision.selected[5]) or not repeat
        assert following["explored"] == (["edge-05"] if repeat else [])


def test_oort_takes_all_where_all_are_asked_for() -> None:
    assert chosen(trained_fleet([1.0, 2.0, 3.0]), "oort", clients=3) == [0, 1, 2]


def test_oort_epsilon_decays_to_its_floor() -> None:
    policy = make_policy("oort", clients=2)
    state, given = policy.init(0), []
    fleet = trained_fleet([1.0, 2.0, 3.0, 4.0])
    for slot in range(200):
        decision, state = policy.decide(replace(fleet, slot=slot), state)
        given.append(decision.notes["exploration_share"])
    assert given[:2] == pytest.approx([0.9 * 0.98, 0.9 * 0.98**2])
    assert given[-1] == 0.3
    assert json.loads(json.dumps(state)) == state


def test_fedzero_attributes_minimum_first_then_what_is_missing() -> None:
    """Two clients of 10 and 20 J a batch, minima 2 and 4, maxima 6 and 16, nothing done yet.

    100 J: to the minima 20 J and 80 J are missing, so batches go 1 : 4: x (10 + 4 * 20) = 100, x = 10/9."""
    joules, none = np.array([10.0, 20.0]), np.zeros(2)
    least, most, plenty = np.array([2.0, 4.0]), np.array([6.0, 16.0]), np.array([50.0, 50.0])
    given = attribute_energy(100.0, joules, none, least, most, plenty)
    assert given == pytest.approx([10 / 9, 40 / 9])
    # client 0 has its minimum: all goes to client 1, up to what time allows, and the rest to client 0
    given = attribute_energy(100.0, joules, np.array([2.0, 0.0]), least, most, np.array([50.0, 4.0]))
    assert given == pytest.approx([2.0, 4.0])
    # both above their minimum, 30 J and 200 J missing to the maximum: 3 : 20, x (30 + 400) = 86
    given = attribute_energy(86.0, joules, np.array([3.0, 6.0]), least, most, plenty)
    assert given == pytest.approx([0.6, 4.0])


def test_fedzero_fills_room_and_shares_the_rest() -> None:
    # missing 100 J each: 1 : 1, but client 0 has time for 2: 20 J to it, 50 J and 5 batches to client 1
    joules, done, least = np.full(2, 10.0), np.zeros(2), np.full(2, 10.0)
    given = attribute_energy(70.0, joules, done, least, np.full(2, 20.0), np.array([2.0, 50.0]))
    assert given == pytest.approx([2.0, 5.0])
    # time for two batches and a half is time for two
    given = attribute_energy(1e6, joules, done, least, np.full(2, 20.0), np.array([2.5, 50.0]))
    assert given.tolist() == [2.0, 20.0]
    # no work that costs nothing is left undone, none beyond the maximum is given
    given = attribute_energy(1e6, np.array([0.0, 10.0]), done, least, np.full(2, 20.0), np.full(2, 50.0))
    assert given.tolist() == [20.0, 20.0]


@pytest.mark.parametrize("energy", [0.0, 35.0, 60.0, 1e6])
def test_fedzero_never_spends_an_energy_twice(energy: float) -> None:
    joules = np.array([10.0, 7.0, 3.0])
    least, most = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    given = attribute_energy(
        energy, joules, np.array([0.0, 3.0, 1.0]), least, most, np.array([3.0, 9.0, 1.0])
    )
    assert (given * joules).sum() <= energy + 1e-9
    assert (given <= [3.0, 2.0, 1.0]).all()


def selection_case() -> dict[str, Any]:
    """Nodes 0 and 1 share 40 J, node 2 has 100 J; 10 J a batch, 3 to 8 batches each."""
    return {
        "utility": np.array([1.0, 0.9, 0.5]),
        "least": np.full(3, 3.0),
        "most": np.full(3, 8.0),
        "capacity": np.full((3, 1), 50.0),
        "joules_per_batch": np.full((3, 1), 10.0),
        "energy_j": np.array([[40.0], [0.0], [100.0]]),
        "domain": np.array([0, 0, 1]),
        "allowed": np.ones(3, dtype=bool),
    }


def test_fedzero_selects_by_utility_within_domains() -> None:
    # with two clients, 0 and 2 give 1.0 * 4 + 0.5 * 8 = 8, 1 and 2 give 0.9 * 4 + 0.5 * 8, and 0 and 1 cannot both
    # reach 3 of the 40 J
    case = selection_case()
    assert best_selection(count=2, **case).tolist() == [True, False, True]  # type: ignore[union-attr]
    assert best_selection(count=3, **case) is None
    # utility per batch counts with the batches there is energy for: 0.5 * 8 beats 0.9 * 4, not 1.2 * 4
    weak = case | {"utility": np.array([0.9, 0.8, 0.5])}
    assert best_selection(count=1, **weak).tolist() == [False, False, True]  # type: ignore[union-attr]
    strong = case | {"utility": np.array([1.2, 0.8, 0.5])}
    assert best_selection(count=1, **strong).tolist() == [True, False, False]  # type: ignore[union-attr]
    # time counts as energy does: with room for 3 batches node 2 gives 1.5
    busy = weak | {"capacity": np.array([[50.0], [50.0], [3.0]])}
    assert best_selection(count=1, **busy).tolist() == [True, False, False]  # type: ignore[union-attr]


def test_fedzero_takes_the_shortest_round() -> None:
    # 10 J now and 20 J in the next slot: two slots for 3 batches; node 2 is not needed
    case = selection_case() | {
        "capacity": np.full((3, 3), 50.0),
        "joules_per_batch": np.full((3, 3), 10.0),
        "energy_j": np.array([[10.0, 20.0, 90.0], [0.0, 0.0, 0.0], [10.0, 0.0, 90.0]]),
    }
    found = shortest_round(count=1, **case)
    assert found is not None
    assert (found[0].tolist(), found[1]) == ([True, False, False], 2)
    found = shortest_round(count=2, **case)
    assert found is not None
    # 8 of node 0 and 8 of node 2 are worth 8 + 0.5 * 8; 8 of node 0 and the 4 left in its domain 8 + 0.9 * 4
    assert (found[0].tolist(), found[1]) == ([True, False, True], 3)
    assert shortest_round(count=3, **(case | {"allowed": np.array([True, True, False])})) is None


def test_fedzero_scales_utility_to_its_range() -> None:
    assert scaled_utility(np.array([30.0, 10.0, 20.0])).tolist() == [1.0, 0.0, 0.5]
    assert scaled_utility(np.array([7.0, 7.0])).tolist() == [1.0, 1.0]


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


def test_fedzero_blocklist_releases_by_chance() -> None:
    # mean 3: at or below it always, one above with 1/1, three above with 1/3; without a mean always
    assert [release_probability(p, 3.0, 1.0) for p in (1, 3, 4, 6)] == pytest.approx([1.0, 1.0, 1.0, 1 / 3])
    assert release_probability(6, 3.0, 0.6) == pytest.approx(0.2)
    assert release_probability(4, 3.0, 5.0) == 1.0
    assert release_probability(6, None, 0.6) == 1.0


class Draws:
    """The given numbers, one after the other."""

    def __init__(self, *numbers: float) -> None:
        self.left = list(numbers)

    def random(self) -> float:
        return self.left.pop(0)


def test_fedzero_passes_over_the_entry_after_a_released_one() -> None:
    rounds = dict.fromkeys("abcd", 5)  # chances 1/5
    draws = Draws(0.2, 0.9, 0.1)
    assert released(["a", "b", "c", "d"], rounds, 0.0, 1.0, draws) == ["b", "c"]
    assert draws.left == []  # of a, c and d
    # listed twice: the first entry goes, the second stays
    assert released(["a", "b", "a"], rounds, 0.0, 1.0, Draws(0.9, 0.9, 0.1)) == ["b", "a"]
    # a client that never worked is at the mean of 0, and is released at once
    assert released(["new"], rounds, 0.0, 0.5, Draws(0.9)) == []


def test_fedzero_blocks_the_less_useful_of_the_last_participants() -> None:
    utility = {"a": 40.0, "b": 10.0, "c": 30.0, "d": 20.0}
    assert with_participants(["x"], utility, 0.5) == ["x", "b", "d"]  # at or below 25
    assert with_participants([], utility, 1.0) == ["a", "b", "c", "d"]
    assert with_participants([], utility, 0.0) == ["b"]


def test_fedzero_compares_with_a_mean_renewed_daily() -> None:
    """Nothing for the first half day, then over to the mean of those seen, 3; a day later that one holds."""
    hour, rounds = 3600.0, {"a": 2, "b": 4, "c": 100}
    mean, cycle = Cycle().at(5 * hour, rounds)
    assert (mean, cycle.begun_s) == (0.0, 5 * hour)
    cycle = cycle.with_active(["a"]).with_active(["b", "a"])
    assert cycle.active == ("a", "b")
    assert [cycle.at(h * hour, rounds)[0] for h in (16.9, 17, 23, 28)] == [0.0, 0.0, 1.5, 2.75]
    assert cycle.at(17 * hour + 0.5, rounds)[0] == pytest.approx(3.0 * 0.5 / (12 * hour))
    mean, following = cycle.at(29 * hour, rounds)
    assert mean == 0.0  # still the old one
    assert (following.begun_s, following.mean, following.active) == (29 * hour, 3.0, ())
    assert following.at(30 * hour, rounds)[0] == 3.0
    assert cycle.with_active(["new"]).at(29 * hour, rounds)[1].mean == 2.0  # of 2, 4 and none
    assert following.at(42 * hour, rounds)[0] is None  # no client observed in its second half
    assert Cycle.of(json.loads(json.dumps(cycle.to_state()))) == cycle


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


def test_green_energy_by_hand() -> None:
    """Slot of 10 s. Node 0: harvest 100 J; 200 J stored lose 10 % and come out at 80 %: 144 J, but 12 W let 120 J out;
    5 W of static load take 50 J: 170 J. Node 1: 30 W let all 144 J out: 194 J. Node 2: static load takes all."""
    fleet = replace(
        fleet_of([1.0] * 3, harvest_j=np.array([[100.0], [100.0], [40.0]])),
        slot_s=10.0,
        battery_j=np.array([200.0, 200.0, 0.0]),
        battery_capacity_j=np.full(3, 250.0),
        self_discharge_fraction=np.full(3, 0.1),
        discharge_efficiency=np.full(3, 0.8),
        discharge_limit_w=np.array([12.0, 30.0, 12.0]),
        static_w=np.full(3, 5.0),
    )
    assert green_energy_j(fleet) == pytest.approx([170.0, 194.0, 0.0])


def test_energy_proportional_keeps_time_and_runs_what_costs_nothing() -> None:
    fleet = fleet_of([1.0] * 2, harvest_j=np.full((2, 1), 1e5), joules_per_batch=np.array([[0.0], [36.0]]))
    slow = replace(fleet, seconds_per_batch=np.array([[fleet.slot_s / 9.0], [fleet.slot_s / 3.0]]))
    policy = make_policy("energy-proportional", least_batches=2)
    assert np.diag(policy.decide(slow, {})[0].batches).tolist() == [9, 3]
    dark = replace(slow, harvest_j=np.zeros((2, 1)))
    assert np.diag(policy.decide(dark, {})[0].batches).tolist() == [9, 2]
    with pytest.raises(ValueError, match="0 or more"):
        make_policy("energy-proportional", least_batches=-1)


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


def test_nearest_green_decides_by_the_present_intensity_and_its_threshold() -> None:
    """Node 1 has 60 % of node 0's intensity now and a higher one later."""
    day = reference_day(2, nodes=2)
    fleet = replace(
        day,
        intensity_g_per_kwh=np.array([[100.0, 10.0], [60.0, 500.0]]),
        backlog_batches=np.full((2, 1), 10),
        seconds_per_batch=np.ones((2, 2)),
    )
    batches = make_policy("nearest-green").decide(fleet, {})[0].batches
    assert batches.tolist() == [[5, 5], [0, 10]]
    batches = make_policy("nearest-green", threshold=0.5).decide(fleet, {})[0].batches
    assert batches.tolist() == [[10, 0], [0, 10]]
    for threshold in (0.0, 1.1):
        with pytest.raises(ValueError, match="above 0"):
            make_policy("nearest-green", threshold=threshold)


def test_nearest_green_gives_back_the_time_of_what_it_sends() -> None:
    """No node has time to spare but node 2; node 0 sends three batches there, and has time for three of node 3."""
    tight = limits_of(
        available=np.array([10, 10, 0, 10]),
        due=np.array([10, 10, 0, 10]),
        may_leave=np.array([5, 5, 0, 5]),
        capacity=np.array([10, 10, 3, 10]),
    )
    batches = nearest_green_batches(np.array([100.0, 50.0, 30.0, 200.0]), tight, 0.8)
    # node 0: nearest green is 1 (no time), then 2 (three); node 1: 2 is full; node 3: 2 is full, then 1 is, then 0 has
    assert batches.tolist() == [[7, 0, 3, 0], [0, 10, 0, 0], [0, 0, 0, 0], [3, 0, 0, 7]]


def test_hard_budget_spends_to_the_last_gram_and_no_further() -> None:
    # work of 0.036 g and 0.072 g: both fit 0.108 g exactly; more expensive work first in line ends the list
    fleet = fleet_of([720.0, 360.0])
    assert chosen(fleet, "hard-budget", clients=2, budget_g=0.036 + 0.072) == [0, 1]
    assert chosen(fleet, "hard-budget", clients=1, budget_g=1.0) == [1]
    # the second lowest is too expensive, and the third, cheap by its sun, waits with it
    sunny = fleet_of([100.0, 200.0, 300.0], harvest_j=np.array([[0.0], [0.0], [360.0]]))
    assert chosen(sunny, "hard-budget", clients=3, budget_g=0.015) == [0]
    policy = make_policy("hard-budget", clients=2, budget_g=0.05)
    decision, state = policy.decide(fleet, policy.init(0))
    assert decision.notes["budget_spent_g"] == state["spent_g"] == pytest.approx(0.036)
    with pytest.raises(ValueError, match="finite value"):
        make_policy("hard-budget", budget_g=-0.1)


def test_hard_budget_counts_the_work_there_is_time_for() -> None:
    fleet = fleet_of([360.0])
    assert work_g(replace(fleet, seconds_per_batch=np.full((1, 1), fleet.slot_s / 4))) == pytest.approx(
        [0.0144]
    )


def test_hard_budget_stops_when_spent() -> None:
    # 360 J at 360 and 720 g/kWh: 0.036 g and 0.072 g
    fleet = fleet_of([720.0, 360.0])
    assert work_g(fleet) == pytest.approx([0.072, 0.036])
    policy = make_policy("hard-budget", clients=2, budget_g=0.1)
    decision, state = policy.decide(fleet, policy.init(0))
    assert decision.selected is not None
    assert decision.selected.tolist() == [False, True]  # both would emit 0.108 g
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


def test_time_shift_looks_at_each_class_and_keeps_time() -> None:
    """Node 0 has 6 batches due by slot 1 and 9 by slot 2, k = 2: classes of two and three slots."""
    intensity = np.array([[200.0, 100.0, 300.0]])
    # both slots of the first class: half of 6; slots 0 and 1 of the second: half of 9, rounded up
    assert shifted_batches(intensity, np.array([[0, 6, 9]]), 2).tolist() == [3 + 5]
    assert shifted_batches(intensity, np.array([[1, 6, 9]]), 1).tolist() == [1]
    # forecasts of one slot: everything now
    assert shifted_batches(intensity[:, :1], np.array([[1, 6, 9]]), 2).tolist() == [16]
    day = reference_day(3, nodes=1)
    fleet = replace(
        day,
        limits=replace(day.limits, deadline_slots=2),
        backlog_batches=np.array([[2, 6, 9]]),
        intensity_g_per_kwh=intensity,
        seconds_per_batch=np.full((1, 3), day.slot_s / 7.5),
    )
    assert make_policy("time-shift", cheapest=2).decide(fleet, {})[0].batches.tolist() == [[7]]
    assert make_policy("time-shift").decide(fleet, {})[0].batches.tolist() == [[2]]
    assert traits_of("time-shift").wanted_horizon(2) == 3
    with pytest.raises(ValueError, match="1 or more"):
        make_policy("time-shift", cheapest=0)


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


def test_oracle_needs_the_true_values() -> None:
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
