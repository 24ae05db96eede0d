"""Columns next to the headline: market-based, marginal, and harvested energy's life cycle. Never added to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from carbon_data.types import DataError
from experiments.report.lifecycle.columns import grid_by_zone, harvest_life_cycle, marginal, market_based
from experiments.report.lifecycle.factors import Factors, table
from experiments.report.lifecycle.setting import setting_of
from tests.experiments.report.by_hand import SCENARIO, make_run

KWH = 3.6e6


def test_grid_energy_by_zone_halves_lines_between_two_zones_and_loses_nothing() -> None:
    by_zone = grid_by_zone(make_run()).groupby("zone").sum() / KWH
    assert by_zone["A"] == pytest.approx(1 + 0.5 + 0.5 + 1 + 2 + 1 + 0.1)
    assert by_zone["B"] == pytest.approx(3 + 0.1)


def test_market_based_needs_a_factor_for_every_zone_that_drew() -> None:
    assert market_based(setting_of(make_run())).value is None
    text = SCENARIO.replace(
        "[battery]",
        '[accounting]\nmarket_source = "contract"\nmarket_g_per_kwh = { A = 0, B = 500 }\n[battery]',
    )
    assert market_based(setting_of(make_run(text))).value == pytest.approx(3.1 * 500)
    lacking = market_based(setting_of(make_run(text.replace(", B = 500", ""))))
    assert lacking.value is None
    assert "B" in lacking.reason


@pytest.mark.parametrize("signal", ["marginal", "average"])
def test_marginal_stands_beside_average_and_refuses_a_source_of_averages(tmp_path: Path, signal: str) -> None:
    trace = tmp_path / "trace.csv"
    trace.write_text(
        "timestamp,zone,gCO2e_per_kWh\n"
        + "".join(f"2022-01-01T0{hour}:00Z,{zone},{500 + 100 * hour}\n" for hour in (0, 1) for zone in "AB")
    )
    accounting = (
        f'[accounting.marginal]\nsource = "trace"\npath = "{trace}"\n'
        f'[accounting.marginal.options]\nsignal = "{signal}"\nscope = "direct"\n[battery]'
    )
    setting = setting_of(make_run(SCENARIO.replace("[battery]", accounting)))
    if signal == "average":
        with pytest.raises(DataError, match="never mixed"):
            marginal(setting)
        return
    grams, _ = marginal(setting)
    assert grams.value == pytest.approx(6.2 * 500 + 3.0 * 600)
    assert "no marginal source for these zones" in marginal(setting_of(make_run()))[0].reason


def test_harvest_has_a_life_cycle_of_its_own_column() -> None:
    factor = table("harvest")["pv"].value
    assert harvest_life_cycle(setting_of(make_run()), Factors()).value == pytest.approx(4.0 * factor)
    unknown = SCENARIO.replace("[battery]", '[harvest]\nkind = "constant"\n[battery]')
    assert harvest_life_cycle(setting_of(make_run(unknown)), Factors()).value is None
