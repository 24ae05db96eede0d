"""Claims on Fig. 5 and the surface: who emits less than whom, growth with servers, and the 74.9 %."""

from __future__ import annotations

import pandas as pd
import pytest

from experiments.studies.fei import table1
from experiments.studies.fei.claims.judgement import Verdict
from experiments.studies.fei.claims.markets import market_claims, surface_claims
from tests.experiments.studies.fei.table_rows import surface

NO_SEEDS = pd.DataFrame(columns=table1.SEED_COLUMNS)
NO_CHECK = pd.DataFrame(columns=["reading_e_b", "reading_servers", "servers", "error_fraction"])


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
    judged = market_claims(pd.DataFrame(rows))
    assert judged["deta-not-above-dat"].verdict is Verdict.MET
    assert "cannot emit more" in judged["deta-not-above-dat"].by_construction
    assert not judged["deta-reduction-grows-against-grid"].by_construction
    assert str(judged["deta-reduction-grows-against-grid"].verdict) == verdict


def test_where_growth_ends_is_said() -> None:
    levels = {2: 5.0, 6: 3.0, 10: 3.0}
    rows = [
        row
        for seed in range(5)
        for n, g in levels.items()
        for row in days(seed, n, g + (seed % 2) * (0.1 if n == 6 else 0.0))
    ]
    judged = market_claims(pd.DataFrame(rows))["deta-reduction-grows-against-local"]
    assert judged.verdict is Verdict.MET
    assert "from 6 to 10 servers" in judged.ours


@pytest.mark.parametrize(
    ("strict", "asleep", "verdicts"),
    [
        ((0.85, 0.85), (0.95, 0.96), ("met", "met")),
        ((0.50, 0.50), (0.60, 0.95), ("not met", "not decidable")),
        ((0.755, 0.755), (0.60, 0.61), ("not decidable", "not met")),
    ],
)
def test_the_papers_reduction_is_judged_by_the_interval_of_the_best_point(
    strict: tuple[float, float], asleep: tuple[float, float], verdicts: tuple[str, str]
) -> None:
    means = surface({"strict": strict, "slack": (0.9, 0.9), "sleep": asleep})
    judged = surface_claims(means, ("US-NW-SCL",))
    first = judged["deta-up-to-74.9-percent-against-grid"].rule
    for assumed in ("27 Wh, empty", "3 W static", "NW-SCL", "known in advance", "50\u202f% of every hour"):
        assert assumed in first
    for against in ("grid", "local"):
        one = judged[f"deta-up-to-74.9-percent-against-{against}"]
        two = judged[f"deta-up-to-74.9-percent-with-sleep-and-slack-against-{against}"]
        assert (str(one.verdict), str(two.verdict)) == verdicts
        assert one.rule.endswith("their grids are connected") or "as for the first" in one.rule
        assert "with slack, awake, same caps: up to 89.6" in one.ours, "what lies outside is named apart"
        assert ("without any exchange save at most 40.0" in two.ours) is (against == "local")
        assert ("undecided: between" in two.ours) is (asleep[1] - asleep[0] > 0.05)
