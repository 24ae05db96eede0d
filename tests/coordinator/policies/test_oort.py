"""Oort: guided participant selection by statistical and system utility, with exploration (methods.md section 3)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from coordinator.market.fleet import Fleet
from coordinator.policies.oort import Oort, oort_scores, preferred_duration_s, slowness
from coordinator.policies.registry import make_policy
from tests.coordinator.policies.fleets import chosen, fleet_of


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


class First:
    """A generator that draws the first of what it is offered, and remembers every draw."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[int], int, bool, list[float] | None]] = []

    def choice(self, a: Any, size: Any, replace: bool, p: Any = None) -> Any:
        offered = list(range(a)) if isinstance(a, int) else [int(each) for each in a]
        self.calls.append((offered, size, replace, None if p is None else p.tolist()))
        return np.array(offered[:size])


def picked_by_hand(
    policy: Oort, fleet: Fleet, state: dict[str, Any]
) -> tuple[list[Any], list[int], dict[str, Any]]:
    """(draws, nodes, next state) of algorithm 1 in plain loops; draws are those of ``First``."""
    names, n = fleet.node_ids, fleet.size
    count = min(n, -(-n // 2) if policy.clients is None else policy.clients)
    trained = [int(p) for p in fleet.participations]  # type: ignore[union-attr]
    loss, held = fleet.mean_loss, fleet.num_examples
    known = [bool(trained[i] > 0 and not np.isnan(loss[i])) for i in range(n)]  # type: ignore[index]
    reward = [float(held[i] * (loss[i] if known[i] else 1.0)) for i in range(n)]  # type: ignore[index]
    new = [trained[i] > state["trained"].get(names[i], 0) for i in range(n)]
    before = max(1, state["round"] - 1)
    last = dict(state["last"]) | {
        names[i]: before for i in sorted(range(n), key=lambda i: names[i]) if new[i]
    }
    following = state | {
        "round": state["round"] + 1,
        "trained": dict(zip(names, trained, strict=True)),
        "last": last,
    }
    if count == n:
        return [], list(range(n)), following
    if not any(known):
        return [(list(range(n)), count, False, None)], list(range(count)), following
    earned = [
        reward[names.index(node)] for node in state["exploited"] if node in names and new[names.index(node)]
    ]
    history = [*state["history"], sum(earned) / (len(earned) + 1e-4)][-2 * policy.pacer_step :]
    percentile = state["percentile"]
    if before >= 2 * policy.pacer_step and before % policy.pacer_step == 0:
        old, now = sum(history[: policy.pacer_step]), sum(history[policy.pacer_step :])
        if abs(now - old) <= 0.1 * old:
            percentile = min(100.0, percentile + policy.pacer_delta)
        elif abs(now - old) >= 5 * old:
            percentile = max(policy.pacer_delta, percentile - policy.pacer_delta)
    took = [float(fleet.seconds_per_batch[i, 0] * sum(fleet.backlog_batches[i])) for i in range(n)]
    wanted = sorted(took)[min(int(n * percentile / 100), n - 1)] if percentile < 100 else np.inf
    slow = [(wanted / took[i]) ** policy.penalty if took[i] > wanted else 1.0 for i in range(n)]
    ranks = sorted(each for each in reward if each > 0) or [0.0]
    low, most = 0.999 * ranks[0], ranks[min(int(len(ranks) * policy.clip), len(ranks) - 1)]
    width = max(ranks[-1] - low, 1e-4)
    score = [0.0] * n
    for i in range(n):
        if known[i]:
            bonus = np.sqrt(0.1 * np.log(before) / max(last.get(names[i], 1), 1))
            score[i] = abs((min(reward[i], most) - low) / width + bonus) * slow[i]
    epsilon = max(state["epsilon"] * policy.epsilon_decay, policy.epsilon_least)
    explore, unknown = int(count * epsilon), [i for i in range(n) if not known[i]]
    if not policy.repeat_explored:
        explore = min(explore, len(unknown))
    draws: list[Any] = []

    def draw(nodes: list[int], weights: list[float], size: int) -> list[int]:
        if not size:
            return []
        total = sum(weights[i] + 1e-12 for i in nodes)
        draws.append((nodes, size, False, [(weights[i] + 1e-12) / total for i in nodes]))
        return nodes[:size]

    ranked = sorted((i for i in range(n) if known[i]), key=lambda i: (-score[i], i))
    size = min(count - explore, len(ranked))
    cut = policy.cut_off * score[ranked[min(size, len(ranked) - 1)]]
    far = [k for k in range(len(ranked)) if score[ranked[k]] < cut and k > 10 * size]
    exploited = draw(ranked[: far[0]] if far else ranked, score, size)
    if unknown:
        weight = [reward[i] * slow[i] for i in range(n)]
        heaviest = sorted(unknown, key=lambda i: (-weight[i], i))
        size = min(count - len(exploited), len(unknown))
        explored = draw(heaviest[: min(int(policy.sample_window * size), len(unknown))], weight, size)
    else:
        explored = [names.index(m) for m in state["explored"] if m in names] if policy.repeat_explored else []
    following |= {
        "epsilon": epsilon,
        "percentile": percentile,
        "history": history,
        "explored": [names[i] for i in explored],
        "exploited": [names[i] for i in exploited],
    }
    return draws, sorted({*explored, *exploited}), following


@pytest.mark.parametrize("seed", range(60))
def test_oort_is_algorithm_1_in_plain_loops(seed: int) -> None:
    """Every draw with its chances, every choice and every state of drawn fleets, over five rounds."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 40))
    policy = Oort(
        clients=[None, 1, 2, int(rng.integers(1, n + 1))][seed % 4],
        epsilon=float(rng.uniform(0, 1)),
        epsilon_decay=float(rng.uniform(0.5, 1)),
        epsilon_least=float(rng.uniform(0, 0.4)),
        penalty=float(rng.choice([0.0, 1.0, 2.0])),
        preferred_percentile=float(rng.choice([0.0, 30.0, 55.0, 97.0, 100.0])),
        pacer_step=int(rng.integers(1, 3)),
        pacer_delta=float(rng.choice([0.0, 5.0, 40.0])),
        clip=float(rng.choice([0.0, 0.5, 0.9, 1.0])),
        cut_off=float(rng.choice([0.0, 0.3, 0.95, 1.0])),
        sample_window=float(rng.choice([1.0, 1.5, 5.0])),
        repeat_explored=bool(rng.integers(0, 2)),
    )
    counts = (rng.random(n) < rng.choice([0.0, 0.5, 0.9, 1.0])).astype(np.int64)
    fleet = fleet_of([1.0] * n)
    fleet = replace(
        fleet,
        limits=replace(fleet.limits, deadline_slots=1),
        backlog_batches=rng.integers(0, 9, (n, 2)),
    )
    state = policy.init(3)
    for _ in range(5):
        counts = counts + ((rng.random(n) < 0.5) & (counts > 0))
        fleet = replace(
            fleet,
            mean_loss=np.where(rng.random(n) < 0.9, rng.choice([0.0, 0.5, 1.0, 9.0], n), np.nan),
            participations=counts,
            num_examples=rng.choice([0, 1, 50, 400], n),
            seconds_per_batch=rng.choice([0.5, 1.0, 3.0], (n, 1)),
        )
        drawn, given = First(), json.loads(json.dumps(state))
        nodes, state = policy.pick(fleet, state, drawn)
        calls, wanted, following = picked_by_hand(policy, fleet, given)
        assert [call[:3] for call in drawn.calls] == [tuple(call[:3]) for call in calls]
        for (*_, p), (*_, q) in zip(drawn.calls, calls, strict=True):
            assert (p is None and q is None) or p == pytest.approx(q, rel=1e-9)
        assert nodes.tolist() == wanted
        assert_alike(state, following)
        counts = counts.copy()
        counts[nodes] += rng.random(len(nodes)) < 0.8


def assert_alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert value == (
            pytest.approx(other[key]) if key in ("epsilon", "percentile", "history") else other[key]
        )


def test_oort_begins_with_its_options() -> None:
    assert Oort(epsilon=0.7, preferred_percentile=40.0).init(5) == {
        "seed": 5,
        "round": 1,
        "epsilon": 0.7,
        "percentile": 40.0,
        "history": [],
        "explored": [],
        "exploited": [],
        "trained": {},
        "last": {},
    }


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        *(
            (name, (0.0, 1.0), (-0.1, 1.1))
            for name in ("epsilon", "epsilon_decay", "epsilon_least", "clip", "cut_off")
        ),
        ("preferred_percentile", (0.0, 100.0), (-1.0, 100.5)),
        ("pacer_step", (1,), (0,)),
        ("sample_window", (1.0,), (0.5, float("nan"))),
        ("penalty", (0.0,), (-1.0, float("inf"), float("nan"))),
        ("pacer_delta", (0.0,), (-1.0, float("inf"))),
        ("clients", (1,), (0,)),
    ],
)
def test_oort_refuses_options_out_of_range(name: str, good: tuple[Any, ...], bad: tuple[Any, ...]) -> None:
    for value in good:
        assert getattr(Oort(**{name: value}), name) == value
    for value in bad:
        with pytest.raises(ValueError, match=rf"^{name} is {value}; allowed is"):
            Oort(**{name: value})
