"""What is said of a claim: met, not met or not decidable, by the rows of one training seed or of several."""

from __future__ import annotations

import pandas as pd
import pytest

from experiments.studies.fei import table1
from experiments.studies.fei.claims.judgement import Verdict, grows
from tests.experiments.studies.fei.table_rows import judged, rows, scaling

NO_SEEDS = pd.DataFrame(columns=table1.SEED_COLUMNS)
NO_CHECK = pd.DataFrame(columns=["reading_e_b", "reading_servers", "servers", "error_fraction"])


def by_seed(*series: list[float], grams: list[list[float]] | None = None) -> pd.DataFrame:
    every = zip(series, grams or series, strict=True)
    return pd.concat([rows(kwh, g).assign(seed=seed) for seed, (kwh, g) in enumerate(every)])


STRAIGHT, CROOKED = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 9.0, 1.0, 9.0, 1.0, 9.0]
STEEP, SCATTERED = [1.0, 4.0, 9.0, 16.0, 25.0, 36.0], [1.5, 1.0, 4.0, 3.0, 6.0, 5.0]


@pytest.mark.parametrize(
    ("kwh", "verdict"),
    [
        (STRAIGHT, Verdict.MET),
        (CROOKED, Verdict.NOT_DECIDABLE),
        (STEEP, Verdict.NOT_MET),
        ([6.0, 5.0, 4.0, 3.0, 2.0, 1.0], Verdict.NOT_MET),
        ([1.0, 2.0, 3.0], Verdict.NOT_DECIDABLE),
    ],
)
def test_linear_growth(kwh: list[float], verdict: Verdict) -> None:
    one = judged(rows(kwh))["energy-grows-linearly-mlp"]
    assert one.verdict is verdict
    assert ("one training seed" in one.ours) == (len(kwh) >= 4)


@pytest.mark.parametrize(
    ("series", "verdict", "said"),
    [
        ((STEEP, STEEP, STEEP), Verdict.MET, "met with 3 of 3 training seeds"),
        ((STRAIGHT, STRAIGHT), Verdict.NOT_MET, "met with 0 of 2 training seeds"),
        ((STEEP, STRAIGHT, STEEP), Verdict.NOT_DECIDABLE, "met with 2 of 3 training seeds"),
        ((STEEP, STEEP[:3]), Verdict.NOT_DECIDABLE, "met with 1 of 2 training seeds"),
    ],
)
def test_a_claim_must_hold_with_every_training_seed(
    series: tuple[list[float], ...], verdict: Verdict, said: str
) -> None:
    seeds = by_seed(*(STRAIGHT[: len(grams)] for grams in series), grams=list(series))
    one = judged(rows(STRAIGHT, series[0]), seeds=seeds)["carbon-grows-faster-sorted-mlp"]
    assert one.verdict is verdict
    assert said in one.ours


@pytest.mark.parametrize(
    ("series", "verdict"),
    [
        ((STRAIGHT, [1.02 * value for value in STRAIGHT]), Verdict.MET),
        ((SCATTERED, [2 * a - b for a, b in zip(STRAIGHT, SCATTERED, strict=True)]), Verdict.NOT_DECIDABLE),
        ((STEEP, STEEP), Verdict.NOT_MET),
        ((STRAIGHT[::-1], STRAIGHT[::-1]), Verdict.NOT_MET),
        ((STRAIGHT, STRAIGHT[:3]), Verdict.NOT_DECIDABLE),
    ],
)
def test_the_law_is_found_over_all_seeds(series: tuple[list[float], ...], verdict: Verdict) -> None:
    one = judged(rows(series[0]), seeds=by_seed(*series))["energy-grows-linearly-mlp"]
    assert one.verdict is verdict


def test_the_papers_own_figures_are_judged_by_the_same_rule() -> None:
    one = judged(rows(STRAIGHT, model="CNN"))["energy-grows-linearly-cnn"]
    assert "exponent 1.91" in one.paper
    assert one.paper.endswith("by our rule not met")


def test_carbon_that_falls_does_not_grow_faster() -> None:
    falling = judged(rows([6.0, 5.0, 4.0, 3.0, 2.0, 1.0], [6.0, 5.5, 5.0, 4.5, 4.0, 3.5]))
    assert falling["carbon-grows-faster-sorted-mlp"].verdict is Verdict.NOT_MET


def test_carbon_faster_than_energy() -> None:
    steep = judged(rows(STRAIGHT, [1.0, 4.0, 9.0, 16.0, 25.0, 36.0]))
    one = steep["carbon-grows-faster-sorted-mlp"]
    assert one.verdict is Verdict.MET
    assert one.as_dict().keys() == {"verdict", "about", "sentence", "paper", "ours", "figure", "rule", "why"}
    random = steep["carbon-grows-faster-random-mlp"]
    assert random.verdict is Verdict.NOT_MET
    assert random.why.startswith("the paper")
    assert judged(rows(STRAIGHT[:2]))["carbon-grows-faster-sorted-mlp"].why == "lack of runs at this effort"


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ({}, Verdict.NOT_DECIDABLE),
        ({1: -0.1, 3: -0.1, 5: 0.0}, Verdict.NOT_DECIDABLE),
        ({1: -0.1, 3: -0.1, 5: 0.0, 7: 0.0}, Verdict.MET),
        ({1: -0.9, 3: -0.7, 5: 0.0, 7: 0.0}, Verdict.NOT_DECIDABLE),
    ],
)
def test_scaled_rows_decide_only_what_their_known_error_leaves(
    errors: dict[int, float], verdict: Verdict
) -> None:
    small = rows(STRAIGHT, model="LSTM").assign(basis="scaled: so", size="scaled", target_fraction=0.35)
    one = judged(small, scaling(errors) if errors else NO_CHECK)["energy-grows-linearly-lstm"]
    assert one.verdict is verdict
    assert "small trainings stopped at 35.0" in one.ours
    assert "scaling" in one.why
    assert ("the verdict would be" in one.why) == (errors.get(1) == -0.9)


def test_scaling_does_not_touch_carbon_per_energy() -> None:
    small = rows(STRAIGHT, [k * k for k in STRAIGHT], "LSTM").assign(basis="scaled: so", size="scaled")
    one = judged(small, scaling({1: -0.9, 3: -0.7, 5: 0.0, 7: 0.0}))["carbon-grows-faster-sorted-lstm"]
    assert one.verdict is Verdict.MET


@pytest.mark.parametrize(
    ("flop", "grams", "verdict"),
    [(2.0, 2.0, Verdict.MET), (0.5, 2.0, Verdict.NOT_MET), (2.0, 0.5, Verdict.NOT_MET)],
)
def test_the_cnn_must_need_more_operations_and_more_grams(
    flop: float, grams: float, verdict: Verdict
) -> None:
    both = [rows(STRAIGHT), rows(STRAIGHT, [grams * k for k in STRAIGHT], "CNN", flop)]
    assert judged(pd.concat(both))["cnn-above-mlp"].verdict is verdict
    apart = [both[0], both[1].assign(size="scaled")]
    assert judged(pd.concat(apart))["cnn-above-mlp"].verdict is Verdict.NOT_DECIDABLE


def test_growth_needs_order_and_rise() -> None:
    assert grows([1, 2, 3, 5])
    assert not grows([5, 3, 2, 1])
    assert not grows([1, 9, 8, 7, 6, 2])
    assert not grows([1.0, 1.0, 1.0, 1.0 + 1e-15]), "rounding"
