"""The trade-off study on a short day: an ordered exact curve, floors, and the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.studies.tree import tradeoff
from experiments.studies.tree.tradeoff import DECIDED, FLOOR, OPTIMUM, against_deta, judge, reproduce_tradeoff
from tests.browser import BASH, CHROMIUM, WHY_NOT, Browser
from tests.page_checks import read_everywhere, use_every_control


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tradeoff, "NODES", 4)
        patch.setattr(tradeoff, "SEEDS_QUICK", 1)
        patch.setattr(tradeoff, "PRICES_G_PER_KWH", (0.0, 300.0, 1e5))
        return reproduce_tradeoff(tmp_path_factory.mktemp("tradeoff"), full=False)


def test_the_exact_curve_is_ordered_and_floors_are_kept(report: dict[str, dict[str, str]]) -> None:
    verdicts = {name: claim["verdict"] for name, claim in report["checks"].items()}  # type: ignore[attr-defined]
    assert verdicts["tree-rises"] == verdicts["grams-rise"] == verdicts["floor-kept"] == "met"
    table = pd.read_csv(report["tables"]["tradeoff"])
    assert set(table.way) == {OPTIMUM, FLOOR, DECIDED}
    assert (table.unserved_batches == 0).all()
    # No policy that decides slot by slot emits less than the day's optimum at the same objective.
    free = table[table.price_g_per_kwh == 0].set_index("way").emissions_g
    assert free[DECIDED] >= free[OPTIMUM] * (1 - 1e-6)


def test_tree_and_ee_change_alike_because_all_work_is_done(report: dict[str, dict[str, str]]) -> None:
    points = against_deta(pd.read_csv(report["tables"]["tradeoff"]))
    assert np.allclose(points.tree_bit_per_j_percent, points.ee_bit_per_j_percent, atol=1e-6)
    origin = points[(points.price_g_per_kwh == 0) & (points.way != FLOOR)]
    assert np.allclose(origin[["emissions_g_percent", "tree_bit_per_j_percent"]], 0.0)
    assert "Grams against TREE" in Path(str(report["page"])).read_text()


def test_a_day_on_which_tree_falls_is_not_met(report: dict[str, dict[str, str]]) -> None:
    table = pd.read_csv(report["tables"]["tradeoff"])
    worse = (table.way == OPTIMUM) & (table.price_g_per_kwh == 300.0)
    table.loc[worse, "tree_bit_per_j"] *= 0.5
    judged = judge(table)["tree-rises"]
    assert judged["verdict"] == "not met"
    assert "by_construction" not in judged


def test_a_price_that_moves_nothing_is_no_rise(report: dict[str, dict[str, str]]) -> None:
    table = pd.read_csv(report["tables"]["tradeoff"])
    own = table.way == OPTIMUM
    table.loc[own, "tree_bit_per_j"] = table.loc[own, "tree_bit_per_j"].iloc[0]
    assert judge(table)["tree-rises"]["verdict"] == "not met"


def test_what_the_program_itself_guarantees_is_said_beside_the_verdict(
    report: dict[str, dict[str, dict[str, str]]],
) -> None:
    said = {name for name, check in report["checks"].items() if "by_construction" in check}
    assert said == {"tree-rises", "grams-rise", "floor-kept"}


@pytest.mark.processes
@pytest.mark.skipif(CHROMIUM is None or BASH is None, reason=WHY_NOT)
def test_checks_are_sentences_with_a_picture_and_what_else_is_known_folded(
    report: dict[str, object], tmp_path: Path
) -> None:
    page = Path(str(report["page"])).absolute().as_uri()
    with Browser(tmp_path) as browser:
        folded = [
            one for one in use_every_control(browser, page) if one["text"] == "Rule, reason and readings"
        ]
        assert len(folded) == 4
        read_everywhere(browser, page)
        browser.open(page)
        assert browser.value("document.querySelectorAll('.statement .small-picture circle').length") == 4
        assert browser.value(
            "[...document.querySelectorAll('.statement code')].every((one) => !one.checkVisibility())"
        )
        said = browser.value("document.querySelector('.statement .said').textContent")
        assert "TREE never falls as a joule becomes dearer" in said
