"""Rules that decide the claims."""

from __future__ import annotations

import pandas as pd
import pytest

from experiments.fei import claims, inconsistencies, placement
from experiments.fei.claims import Verdict
from experiments.fei.spec import REFERENCE_BATCHES, REFERENCE_SERVERS, SERVERS

PAPER_LINE = claims.Line(0.0, 1.0, 1.0)


def rows(kwh: list[float], grams: list[float] | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": "MLP",
            "reading_e_b": str(REFERENCE_BATCHES),
            "reading_servers": str(REFERENCE_SERVERS),
            "servers": SERVERS[: len(kwh)],
            "ours_kwh": kwh,
            "sorted_g": grams or kwh,
            "random_mean_g": kwh,
            "basis": "measured",
        }
    )


def test_a_line_is_found_exactly() -> None:
    line = claims.fit([1, 2, 3], [3.0, 5.0, 7.0])
    assert (line.intercept, line.slope, line.r2) == pytest.approx((1.0, 2.0, 1.0))


@pytest.mark.parametrize(
    ("kwh", "verdict"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], Verdict.MET),
        ([1.0, 9.0, 1.0, 9.0, 1.0, 9.0], Verdict.NOT_MET),
        ([6.0, 5.0, 4.0, 3.0, 2.0, 1.0], Verdict.NOT_MET),
        ([1.0, 2.0, 3.0], Verdict.NOT_DECIDABLE),
    ],
)
def test_linear_growth(kwh: list[float], verdict: Verdict) -> None:
    assert claims._linear(rows(kwh), PAPER_LINE).verdict is verdict


def test_carbon_faster_than_energy() -> None:
    model = claims.MODELS[0]
    kwh = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    steep = rows(kwh, [1.0, 4.0, 9.0, 16.0, 25.0, 36.0])
    assert claims._faster(steep, model, "sorted_g").verdict is Verdict.MET
    assert claims._faster(steep, model, "sorted_g").as_dict().keys() == {"verdict", "paper", "ours", "rule"}
    random = claims._faster(steep, model, "random_mean_g")
    assert random.verdict is Verdict.NOT_MET
    assert random.as_dict()["why"].startswith("the paper")
    assert claims._faster(steep[:2], model, "sorted_g").why == "lack of runs at this effort"


def test_rows_that_were_not_all_trained_here_are_counted_by_origin() -> None:
    mixed = rows([1.0, 2.0, 3.0, 4.0]).assign(basis=["measured", "measured", "shipped: then", "scaled: so"])
    ours = claims._linear(mixed, PAPER_LINE).ours
    assert "2 rows measured" in ours
    assert "1 rows shipped" in ours


def test_growth_needs_order_and_rise() -> None:
    assert claims.grows([1, 2, 3, 5])
    assert not claims.grows([5, 3, 2, 1])
    assert not claims.grows([1, 9, 8, 7, 6, 2])


def days(seed: int, servers: int, deta: float) -> list[dict[str, object]]:
    grams = {"grid": 10.0, "local": 8.0, "det": 7.0, "dat": 6.0, "deta": deta}
    return [
        {
            "servers": servers,
            "seed": seed,
            "policy": policy,
            "day_g": value,
            "training_g": value,
            "against_grid_fraction": 1 - value / 10.0,
            "against_local_fraction": 1 - value / 8.0,
        }
        for policy, value in grams.items()
    ]


@pytest.mark.parametrize(("at_ten", "verdict"), [(3.0, "met"), (5.9, "not met")])
def test_market_claims(at_ten: float, verdict: str) -> None:
    rows = [
        row for seed in range(5) for n, g in ((2, 5.0), (10, at_ten)) for row in days(seed, n, g + seed / 100)
    ]
    judged = claims.market_claims(pd.DataFrame(rows))
    assert judged["deta-not-above-dat"].verdict is Verdict.MET
    assert str(judged["deta-reduction-grows-against-grid"].verdict) == verdict


def test_every_inconsistency_of_the_paper_is_stated() -> None:
    notes = inconsistencies.table(placement.intensities(), None)
    assert list(notes["note"]) == list(range(1, 10))
    text = " ".join(notes["ours"])
    for figure in ("199,210", "85,822", "50.2943", "63.9", "57", "8.54"):
        assert figure in text, figure


def test_implied_intensities_climb_as_the_notes_say() -> None:
    implied = inconsistencies.implied_g_per_kwh().set_index(["model", "servers"])["implied_g_per_kwh"]
    assert implied["MLP", 11] == pytest.approx(329, abs=1)
    assert implied["CNN", 11] == pytest.approx(253, abs=1)
    assert implied["LSTM", 11] == pytest.approx(307, abs=1)
