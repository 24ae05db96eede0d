"""Every policy against every other, of a comparison whose grams are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import detabed
from experiments.report.boundary import Boundary
from experiments.report.matrix import Pair, pairs, pairs_json, power_text, table
from experiments.report.measures import emissions_by_seed
from experiments.report.read import Study, load


@pytest.fixture
def compared_study(make_compare: Callable[..., Path]) -> Study:
    return load(make_compare(("local", "dat", "deta"), (0, 1, 2, 3, 4, 5)))


def test_a_pair_is_the_mean_reduction_by_seed(compared_study: Study) -> None:
    found = {(pair.policy, pair.against): pair for pair in pairs(compared_study)}
    deta, local = (emissions_by_seed(compared_study, name) for name in ("deta", "local"))
    by_seed = [1 - deta[seed] / local[seed] for seed in deta]
    pair = found["deta", "local"]
    assert pair.reduction_fraction == pytest.approx(sum(by_seed) / len(by_seed))
    assert pair.low_fraction is not None
    assert pair.high_fraction is not None
    assert pair.low_fraction < pair.reduction_fraction < pair.high_fraction
    names = {"grid", "local", "dat", "deta"}
    assert set(found) == {(one, other) for one in names for other in names if one != other}


def test_the_test_is_the_same_in_both_directions_and_corrected_once_a_couple(compared_study: Study) -> None:
    found = {(pair.policy, pair.against): pair for pair in pairs(compared_study)}
    for (one, other), pair in found.items():
        assert (pair.p, pair.p_corrected) == (found[other, one].p, found[other, one].p_corrected)
    same_sign = found["deta", "local"]
    assert same_sign.p == pytest.approx(2 / 2**6)
    couples = len(found) // 2
    assert same_sign.p_corrected == pytest.approx(min(1.0, same_sign.p * couples))


def test_the_table_says_what_the_seeds_can_show(compared_study: Study) -> None:
    shown = table(compared_study)
    assert shown is not None
    assert "is visible between any two policies" in shown.note
    assert set(shown.frame["counts"]) == {boundary.value for boundary in Boundary}
    assert len(shown.rows()) == 4
    assert pairs_json(compared_study)["nodes"]


def test_one_seed_makes_no_claim(make_compare: Callable[..., Path]) -> None:
    study = load(make_compare(("local", "deta"), (0,)))
    shown = table(study)
    assert shown is not None
    assert "no interval and no test" in shown.note
    assert "visible" not in shown.note
    assert power_text(pairs(study)) == ""


def test_few_seeds_are_told_that_no_rank_test_can_be_significant(make_compare: Callable[..., Path]) -> None:
    shown = table(load(make_compare(("local", "deta"), (0, 1, 2))))
    assert shown is not None
    assert "cannot appear" in shown.note


def test_significance_is_below_five_percent_after_correction() -> None:
    values = ("a", "b", 9, 0.1, 0.05, 0.15)
    assert Pair(*values, 0.01, 0.049, 0.02, 3).is_significant
    assert not Pair(*values, 0.01, 0.05, 0.02, 3).is_significant
    assert not Pair(*values, None, None, 0.02, 3).is_significant


def test_the_library_gives_it_as_a_frame(small_comparison: Path) -> None:
    found = detabed.open(small_comparison)
    assert isinstance(found, detabed.Comparison)
    row = found.pairs.query("counts == 'testbed' and policy == 'deta' and against == 'local'").iloc[0]
    assert row["seeds"] == 2
