"""Rules that decide the claims."""

from __future__ import annotations

from itertools import product

import pandas as pd
import pytest

from experiments.fei import claims, fig5, inconsistencies, placement
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


def test_where_growth_ends_is_said() -> None:
    levels = {2: 5.0, 6: 3.0, 10: 3.0}
    rows = [
        row
        for seed in range(5)
        for n, g in levels.items()
        for row in days(seed, n, g + (seed % 2) * (0.1 if n == 6 else 0.0))
    ]
    judged = claims.market_claims(pd.DataFrame(rows))["deta-reduction-grows-against-local"]
    assert judged.verdict is Verdict.MET
    assert "from 6 to 10 servers" in judged.ours


def surface(reductions: dict[str, tuple[float, float]], seeds: int = 5) -> pd.DataFrame:
    """A surface of two panels: plan and bound of the reduction at the larger, by kind of point."""
    settings = {
        "strict": {"deadline_slots": 0, "sleep": False},
        "slack": {"deadline_slots": 6, "sleep": False},
        "sleep": {"deadline_slots": 2, "sleep": True},
    }
    points = []
    for (name, (plan, bound)), panel, seed in product(reductions.items(), (10.0, 20.0), range(seeds)):
        less = (0.2 if panel < 20.0 else 0.0) + 0.01 * (seed % 2)
        points.append(
            {
                "panel_w": panel,
                "loss_fraction": 0.1,
                "cap_fraction": 0.5,
                **settings[name],
                "seed": seed,
                "harvest_to_demand": panel / 30.0,
                "grid_g": 100.0,
                "local_g": 100.0,
                "local_lp_bound_g": 60.0,
                "deta_g": 100.0 * (1 - plan + less),
                "deta_bound_g": 100.0 * (1 - bound + less),
                "gap_fraction": 0.0,
            }
        )
    return fig5.means(fig5.surface([{"points": points}]))


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
    judged = claims.surface_claims(means, ("US-NW-SCL",))
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


def test_panels_between_which_the_reduction_is_reached() -> None:
    means = surface({"strict": (0.85, 0.85)})
    part = fig5.within_caps(means, sleep=False)
    assert fig5.panels_around(part, "grid", 0.749) == (10.0, 20.0)
    assert fig5.panels_around(part, "grid", 0.9) is None
    assert fig5.panels_around(part, "grid", 0.1) == (None, 10.0)
    assert "between 10 and 20 W of panel (harvest 0.33 to 0.67 times demand)" in claims.contour(part, "grid")


@pytest.mark.parametrize(
    ("plan", "bound", "text"),
    [(0.8, 0.8, "80.0"), (0.8, 0.82, "80.0 to 82.0"), (0.6, 0.95, "undecided: between 60.0")],
)
def test_a_reduction_says_how_far_it_is_known(plan: float, bound: float, text: str) -> None:
    point = {"against_grid_fraction": plan, "against_grid_bound_fraction": bound}
    assert fig5.known(point | {"grid_low_fraction": 0.5, "grid_bound_high_fraction": 1.2}, "grid").startswith(
        text
    )
    assert "100.0]" in fig5.known(point | {"grid_low_fraction": 0.5, "grid_bound_high_fraction": 1.2}, "grid")


def test_zones_on_grids_that_are_not_connected_are_said_to_be() -> None:
    assert "not connected: 1 in the western and 1 in the eastern" in inconsistencies.grids(
        ("US-NW-SCL", "US-MIDA-PJM")
    )
    assert inconsistencies.grids(("US-NW-SCL", "US-SW-AZPS")) == (
        "all 2 zones lie in the western interconnection of the US"
    )
    assert "not checked" in inconsistencies.grids(("DE", "FR"))


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
