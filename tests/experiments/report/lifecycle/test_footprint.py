"""SCI (L3) by functional unit, and the footprint of one inference with its break-even count (L4)."""

from __future__ import annotations

import pytest

from experiments.report.lifecycle.books import Sum, by_stage
from experiments.report.lifecycle.embodied import embodied
from experiments.report.lifecycle.factors import Factors
from experiments.report.lifecycle.footprint import per_inference, sci
from experiments.report.lifecycle.setting import setting_of
from tests.experiments.report.by_hand import LINES, make_run

KWH = 3.6e6


def test_sci_by_functional_unit() -> None:
    """(L3): (E I + M) / R."""
    run = make_run()
    made = embodied(setting_of(run), Factors())
    rows = {row["functional_unit"]: row for row in sci(by_stage(run), made, 2000, 1)}
    serving = rows["per 1,000 inferences, serving alone"]
    assert serving["energy_j"] == pytest.approx(4 * KWH)
    assert serving["intensity_g_per_kwh"] == pytest.approx(75.0)
    assert serving["sci_g_per_unit"] == pytest.approx((300.0 + made.by_stage["application"]) / 2)
    assert rows["per round of development"]["sci_g_per_unit"] == pytest.approx(
        1500 + made.by_stage["development"]
    )
    assert rows["per run"]["sci_g_per_unit"] == pytest.approx(1850.0 + made.total_g)
    idle = sci(by_stage(run), made, 0, 0)
    assert [row["sci_g_per_unit"] is None for row in idle] == [True, True, True, False]
    assert all("reason" in row for row in idle[:3])


def test_footprint_of_an_inference_and_break_even() -> None:
    """(L4): e_inf = 4 kWh / 2000, c = 75 g/kWh: 0.15 g each; C_dev = 1500 g: N* = 10,000."""
    run = make_run()
    made = embodied(setting_of(run), Factors())
    found = per_inference(by_stage(run), made, 2000, 1e5)
    assert found["as_run"]["running_g"] == pytest.approx(0.15)
    assert found["as_run"]["break_even_inferences"] == pytest.approx(10_000)
    assert found["as_run"]["operational_footprint_g"] == pytest.approx(0.15 + 1500 / 1e5)
    assert found["as_run"]["footprint_g"] == pytest.approx(0.165 + made.by_stage["application"] / 2000)
    assert found["all_from_grid"]["running_g"] == pytest.approx(0.35)
    assert found["all_from_grid"]["break_even_inferences"] == pytest.approx(1650 / 0.35)
    assert per_inference(by_stage(run), made, 0, 1e5)["value"] is None


def test_a_score_is_measured_only_where_all_its_joules_were_and_no_constant_enters() -> None:
    """n0 metered: 2 of the 4 kWh of the application; with embodied emissions no score is measured."""
    lines = [{**x, "provenance": "measured" if x["node_id"] == "n0" else "modelled"} for x in LINES]
    stages = by_stage(make_run(lines=lines))
    made = embodied(setting_of(make_run()), Factors())
    assert dict(stages["application"].known().shares) == pytest.approx({"measured": 0.5, "modelled": 0.5})
    whole = sum(stages.values(), Sum())
    assert dict(whole.by_provenance)["measured"] == pytest.approx(6.0 * KWH)
    assert sci(stages, made, 2000, 1)[0]["reading"]["kind"] == "mixed"
    metered = by_stage(make_run(lines=[{**x, "provenance": "measured"} for x in LINES]))
    assert metered["application"].known().kind.value == "measured"
    assert sci(metered, made, 2000, 1)[0]["reading"]["kind"] == "mixed"
    found = per_inference(metered, made, 2000, 1e5)
    assert (found["reading"]["kind"], found["break_even_reading"]["kind"]) == ("mixed", "measured")
