"""Sensitivity of the result: one source of uncertainty at a time at its low and its high end, all others as booked."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.report.lifecycle.embodied import embodied
from experiments.report.lifecycle.factors import Factors, table
from experiments.report.lifecycle.setting import setting_of
from experiments.report.lifecycle.tornado import tornado
from experiments.report.read import Run, Study
from tests.experiments.report.by_hand import LINES, make_run, with_network

KWH = 3.6e6


def test_the_tornado_sets_one_source_at_a_time_to_its_ends() -> None:
    """Network at a quarter and four times its 50 g in both runs; n1's grams halved under DETA, twice so for seed 1."""
    runs: dict[str, dict[int, Run]] = {"local": {}, "deta": {}}
    for seed, kept in ((0, 0.5), (1, 0.25)):
        saved = [
            {**x, "operational_g": x["operational_g"] * (kept if x["node_id"] == "n1" else 1)} for x in LINES
        ]
        runs["local"][seed] = with_network(make_run(policy="local", seed=seed))
        runs["deta"][seed] = with_network(make_run(lines=saved, seed=seed))
    found = tornado(Study(Path("x"), True, runs), draws=2000)
    assert found is not None
    assert (found.policy, found.baseline) == ("deta", "local")
    saved_g = (600.0 + 900.0) / 2
    assert found.booked.reduction == pytest.approx(saved_g / 1850)
    assert found.booked.per_hour_g == pytest.approx((1850 - saved_g) / 2)
    bars = {bar.source: bar for bar in found.bars}
    network = bars["network factor"]
    assert network.low.reduction == pytest.approx(saved_g / 1812.5)
    assert network.high.reduction == pytest.approx(saved_g / 2000.0)
    assert network.high.per_hour_g == pytest.approx((2000 - saved_g) / 2)
    seeds = bars["seeds"]
    assert (seeds.low.reduction, seeds.high.reduction) == pytest.approx((600 / 1850, 900 / 1850))
    embodied_g = embodied(setting_of(make_run()), Factors())
    counted = embodied_g.total_g + 1.959964 * embodied_g.std_g  # type: ignore[operator]
    assert bars["embodied emissions"].high.reduction == pytest.approx(saved_g / (1850 + counted))
    assert bars["harvest's life cycle"].high.reduction == pytest.approx(
        saved_g / (1850 + 4 * table("harvest")["pv"].value)
    )
    assert {"board power (model)", "intensity of the zones"} <= bars.keys()
    assert found.not_given == {
        "meters": "no joule was metered",
        "users' devices (model)": "they emitted nothing",
    }
    assert [bar.width for bar in found.bars] == sorted((bar.width for bar in found.bars), reverse=True)
