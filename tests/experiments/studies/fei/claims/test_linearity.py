"""Linear growth is told from log, square and exponential growth, with the spread that the shipped trainings have."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.studies.fei import shipped
from experiments.studies.fei.claims.judgement import Verdict
from experiments.studies.fei.claims.linearity import growth
from experiments.studies.fei.federated import rounds_to
from experiments.studies.fei.spec import REFERENCE_SERVERS, SERVERS

X = np.array(SERVERS, dtype=float)
SEEDS = 5
DRAWS = 100


def spread_fraction() -> float:
    """Deviation of a row over training seeds, over what the rows rise from first to last: MLP, as shipped."""
    edges = {REFERENCE_SERVERS.edges(n): n for n in SERVERS}
    rounds: dict[int, list[int]] = {}
    for result in shipped.trainings():
        cell = result["cell"]
        whole = (cell["task"], cell["batch_size"], cell["local_epochs"]) == ("mnist-mlp", 50, 1)
        if whole and cell["edges"] in edges and cell["learning_rate"] == 0.2:
            found = rounds_to(result["development"], cell["target_fraction"])
            assert found is not None
            rounds.setdefault(edges[cell["edges"]], []).append(found)
    assert sorted(rounds) == list(SERVERS)
    assert {len(each) for each in rounds.values()} == {SEEDS}
    within = np.mean([np.var(each, ddof=1) for each in rounds.values()])
    return float(within**0.5 / (np.mean(rounds[SERVERS[-1]]) - np.mean(rounds[SERVERS[0]])))


def verdicts(shape: np.ndarray, spread: float, low: float = 1.0, high: float = 4.0) -> dict[Verdict, float]:
    """Shares of the verdicts over draws of five seeds about ``shape``, which runs from ``low`` to ``high``."""
    rng = np.random.default_rng(0)
    law = low + (high - low) * (shape - shape[0]) / (shape[-1] - shape[0])
    found = [
        growth(
            np.tile(X, SEEDS), np.tile(law, SEEDS) + rng.normal(0.0, spread * (high - low), SEEDS * len(X))
        )
        for _ in range(DRAWS)
    ]
    judged = [one.verdict for one in found if one is not None]
    assert len(judged) == DRAWS
    return {verdict: judged.count(verdict) / DRAWS for verdict in Verdict}


@pytest.mark.parametrize(
    "shape",
    [np.log(X), X**2, np.exp(0.3 * X), 4.0 ** ((X - 1.0) / 10.0)],
    ids=["log", "square", "exp", "exp4"],
)
def test_other_laws_are_not_taken_for_a_line_with_the_spread_of_the_trainings(shape: np.ndarray) -> None:
    share = verdicts(shape, spread_fraction())
    assert share[Verdict.MET] <= 0.05
    assert verdicts(shape, 0.02)[Verdict.NOT_MET] == 1.0


def test_a_line_is_refused_as_seldom_as_the_intervals_say_and_found_where_rows_scatter_little() -> None:
    share = verdicts(X, spread_fraction())
    assert share[Verdict.NOT_MET] <= 0.12  # two intervals at 95 %
    assert share[Verdict.MET] > 0.3
    assert verdicts(X, 0.02)[Verdict.MET] > 0.85


def test_r2_would_have_passed_them_all() -> None:
    """The quantity of the earlier rule."""
    for shape in (np.log(X), X**2, np.exp(0.2 * X)):
        assert np.corrcoef(X, shape)[0, 1] ** 2 > 0.8
        assert growth(X, shape).verdict is not Verdict.MET  # type: ignore[union-attr]


@pytest.mark.parametrize(("power", "low", "high"), [(0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (2.0, 2.0, 2.0)])
def test_an_exact_power_is_found_with_any_intercept(power: float, low: float, high: float) -> None:
    for intercept in (0.0, 7.0, -0.5):
        found = growth(X, intercept + 3.0 * X**power)
        assert found is not None
        assert (found.exponent.value, found.exponent.low, found.exponent.high) == (power, low, high)


def test_the_unit_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    y = X + rng.normal(0.0, 0.5, len(X))
    one, other = growth(X, y), growth(X, 1e-6 * y)
    assert one is not None
    assert other is not None
    assert one.verdict is other.verdict
    assert one.curvature.value == pytest.approx(other.curvature.value, rel=1e-6)


def test_what_falls_or_does_not_change_is_no_growth() -> None:
    falling = growth(X, -X)
    assert falling is not None
    assert (falling.verdict, falling.reason) == (Verdict.NOT_MET, "it falls")
    assert growth(X, np.ones_like(X)) is None
    assert growth(X[:3], X[:3]) is None
