"""What the claims are made of: one figure compared at two places of a sweep, with an interval and a verdict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.studies.tree.claims import CLAIMS
from experiments.studies.tree.conditions import PLACES, Verdict, change
from experiments.studies.tree.settings import grid
from tests.experiments.studies.tree.judging import judge_curves

SEEDS = 10


def test_sixteen_claims_are_counted_and_every_place_is_on_its_grid() -> None:
    assert [claim.name for claim in CLAIMS if claim.counted] == [
        *(f"VR{i}" for i in range(1, 6)),
        *(f"VU{i}" for i in range(1, 7)),
        *(f"VG{i}" for i in range(1, 6)),
    ]
    for service, places in PLACES.items():
        for name in places.__slots__:
            assert getattr(places, name) in grid(service)


RISING = [(1 / 16, 1.0), (1.0, 2.0), (32.0, 2.0)]
FALLING = [(1 / 16, 2.0), (1.0, 2.0), (8.0, 1.0), (32.0, 1.0)]


@pytest.mark.parametrize(
    ("name", "curves", "verdict"),
    [
        ("VR1", {"ee": [(0.05, 1), (0.5, 2)], "tree": [(0.05, 1), (0.5, 2)]}, Verdict.MET),
        ("VR1", {"ee": [(0.05, 1), (0.5, 2)], "tree": [(0.05, 2), (0.5, 1)]}, Verdict.NOT_MET),
        ("VR2", {"ee": [(0.05, 1), (1, 2)]}, Verdict.MET),
        ("VR2", {"ee": [(0.05, 1), (8, 9)]}, Verdict.NOT_MET),
        ("VR3", {"tree": [(0.9, 2), (2, 1), (8, 1)]}, Verdict.MET),
        ("VR3", {"tree": [(0.9, 2), (2, 1), (4, 1), (8, 0.5)]}, Verdict.NOT_MET),
        ("VR4", {"tokens": [(0.9, 1), (2, 0)]}, Verdict.MET),
        ("VR4", {}, Verdict.NOT_MET),
        ("VU2", {"ee": FALLING, "tree": FALLING}, Verdict.MET),
        ("VU4", {"tree": FALLING}, Verdict.MET),
        ("VU4", {"ee": FALLING}, Verdict.NOT_MET),
        # Larger in size, but the wrong way.
        ("VU4", {"tree": [(1.0, 1.0), (8.0, 2.0)], "ee": RISING}, Verdict.NOT_MET),
        ("VU4", {"tree": [(1.0, 1.0), (8.0, 3.0)], "ee": [(1.0, 1.0), (8.0, 0.9)]}, Verdict.NOT_MET),
        ("VU4", {"tree": [(1.0, 1.0), (8.0, 0.9)], "ee": [(1.0, 1.0), (8.0, 1.05)]}, Verdict.NOT_MET),
        ("VU5", {}, Verdict.MET),
        ("VG1", {"ee": RISING, "tree": RISING}, Verdict.MET),
        ("VG1", {"ee": RISING, "tree": [(1 / 16, 1), (0.25, 3), (0.5, 2), (1, 4)]}, Verdict.NOT_MET),
        ("VG2", {"tree": RISING}, Verdict.MET),
        ("VG2", {"ee": RISING, "tree": RISING}, Verdict.NOT_MET),
        # Both fall, TREE less: no gain, though TREE's change is the larger of the two.
        ("VG2", {"ee": FALLING, "tree": [(1.0, 1.0), (8.0, 0.8)]}, Verdict.NOT_MET),
    ],
)
def test_verdicts_on_known_curves(
    name: str, curves: dict[str, list[tuple[float, float]]], verdict: Verdict
) -> None:
    assert judge_curves(name, **curves).verdict is verdict


def test_noise_larger_than_the_effect_is_not_decidable() -> None:
    judgement = judge_curves("VR4", noise=0.3, tokens=[(0.9, 1.0), (2.0, 0.97)])
    assert judgement.verdict is Verdict.NOT_DECIDABLE
    assert "tokens" in judgement.ours


def test_nothing_to_relate_to_is_not_decidable() -> None:
    assert judge_curves("VR4", tokens=[(0.05, 0.0)]).verdict is Verdict.NOT_DECIDABLE


def _values(first: list[float], second: list[float]) -> np.ndarray:
    return np.array([first, second], dtype=float).T


@given(
    first=st.lists(st.floats(0.0, 10.0), min_size=10, max_size=10).filter(lambda v: sum(v) > 0.1),
    second=st.lists(st.floats(0.0, 10.0), min_size=10, max_size=10),
)
def test_no_interval_of_a_change_is_below_minus_100_percent(first: list[float], second: list[float]) -> None:
    found = change(_values(first, second), 0, 1)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert -1.0 <= found.low <= found.mean + 1e-9
    assert found.mean - 1e-9 <= found.high


def test_a_figure_that_is_zero_with_every_seed_changes_by_exactly_100_percent() -> None:
    found = change(_values([3.0, 7.0, 5.0], [0.0, 0.0, 0.0]), 0, 1)
    assert found is not None
    assert (found.low, found.mean, found.high) == (-1.0, -1.0, -1.0)


def test_the_interval_of_a_change_holds_the_true_one_as_often_as_it_says() -> None:
    """Paired lognormal figures whose true ratio is 0.4: 99 % intervals miss it in about 1 % of draws."""
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(1000):
        common = rng.normal(0.0, 0.3, SEEDS)
        first = np.exp(common + rng.normal(0.0, 0.1, SEEDS))
        second = 0.4 * np.exp(common + rng.normal(0.0, 0.1, SEEDS))
        found = change(_values(list(first), list(second)), 0, 1)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        missed += not found.low <= -0.6 <= found.high
    assert 1 <= missed <= 30
