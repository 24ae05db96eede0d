"""FedZero's blocklist: recent participants wait, the more often a client took part the longer. Pure."""

from __future__ import annotations

import json

import pytest

from coordinator.policies.fedzero_blocklist import Cycle, release_probability, released, with_participants


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


def test_fedzero_asks_every_entry_once_and_stops_at_the_last() -> None:
    draws = Draws(0.9, 0.9)
    assert released(["a", "b"], {"a": 5, "b": 5}, 0.0, 1.0, draws) == ["a", "b"]
    assert draws.left == []
    # less than a round above the mean
    assert release_probability(3, 2.5, 0.2) == pytest.approx(0.4)


def test_fedzero_goes_over_from_the_old_mean_to_the_new_one() -> None:
    """Half of the way after three quarters of a day: from 1 to 3; from where it begins without a client there is no
    mean."""
    hour = 3600.0
    assert Cycle(0.0, 1.0, ("a",)).at(18 * hour, {"a": 3})[0] == pytest.approx(2.0)
    assert Cycle(0.0, 1.0, ()).at(12 * hour - 1, {})[0] == 1.0
    assert Cycle(0.0, 1.0, ()).at(12 * hour, {})[0] is None
