"""Report of a simulated period: its sums are those of the run's tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from experiments.report.read import load_run
from experiments.report.simulated import totals as totals_module
from experiments.report.simulated.figures import drawings
from experiments.report.simulated.page import as_json, write_page
from experiments.report.simulated.totals import ENERGIES, Simulated, simulated
from experiments.runs.simulate import simulate
from experiments.scenario.model import parse_scenario
from tests.browser import BASH, CHROMIUM, WHY_NOT, Browser
from tests.page_checks import read_everywhere, use_every_control

TEXT = """name = "period"
policy = "deta"
[task]
name = "none"
[time]
start = 2022-06-30T06:00:00Z
trace_step_s = 7200.0
[coordinator]
horizon_slots = 2
[limits]
transfer_cap_fraction = 0.2
[[nodes]]
zone = "DE"
[nodes.harvest]
peak_w = 40.0
[[nodes]]
zone = "PL"
[nodes.harvest]
peak_w = 0.0
[nodes.battery]
capacity_wh = 0.0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days over the turn of a month."""
    scenario = parse_scenario(TEXT)
    return simulate(
        scenario, 2, tmp_path_factory.mktemp("period") / "run", Console(), quiet=True, draw=False
    ).folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Simulated:
    return simulated(folder)


def test_sums_are_those_of_the_tables(folder: Path, run: Simulated) -> None:
    tables = load_run(folder).tables
    slots, lines = tables["slots"], tables["lines"]
    for name in (*ENERGIES, "operational_g"):
        assert run.total[name] == pytest.approx(slots[name].sum())
        assert run.slots[name].to_numpy() == pytest.approx(slots.groupby("slot")[name].sum().to_numpy())
        assert run.months[name].sum() == pytest.approx(run.zones[name].sum())
        assert run.zones.loc["PL", name] == pytest.approx(slots.loc[slots["zone"] == "PL", name].sum())
    assert run.total["operational_g"] + run.shared_g == pytest.approx(lines["operational_g"].sum())
    assert list(run.months.index) == ["2022-06", "2022-07"]
    july = slots["time"].dt.month == 7
    assert run.months.loc["2022-07", "demand_j"] == pytest.approx(slots.loc[july, "demand_j"].sum())
    assert run.released_batches == slots["released_batches"].sum()
    assert (run.nodes, sum(run.statuses.values())) == (2, 24)


def test_exchange_is_by_zone(folder: Path, run: Simulated) -> None:
    tables = load_run(folder).tables
    assert run.exchange[["from", "to"]].to_numpy().tolist() == [["DE", "PL"], ["PL", "DE"]]
    assert run.exchange["sent_j"].sum() == pytest.approx(tables["energy_flows"]["sent_j"].sum())
    assert run.exchange["received_j"].sum() == pytest.approx(run.total["import_j"])
    assert run.exchange["batches"].sum() == tables["batch_flows"]["batches"].sum() > 0


def test_reading_in_small_parts_changes_nothing(
    folder: Path, run: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals_module, "ROWS", 7)
    again = simulated(folder)
    pd.testing.assert_frame_equal(again.slots, run.slots)
    pd.testing.assert_frame_equal(again.zones, run.zones)
    pd.testing.assert_frame_equal(again.months, run.months)
    pd.testing.assert_frame_equal(again.exchange, run.exchange)


def test_the_curves_fall_from_the_highest_slot_to_the_lowest(run: Simulated) -> None:
    found = {drawing.name: drawing.data for drawing in drawings(run)}
    assert list(found) == ["duration-curves", "use-of-harvest", "grams-by-month", "exchange-by-zone"]
    grid = found["duration-curves"]["grid_w"]
    assert grid.is_monotonic_decreasing
    assert grid.iloc[0] == pytest.approx(run.slots["grid_j"].max() / 7200.0)
    shares = found["use-of-harvest"][["own_fraction", "given_fraction", "curtailed_fraction"]]
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1.0)


def test_the_page_states_the_totals(run: Simulated, tmp_path: Path) -> None:
    page = write_page(run, tmp_path).read_text()
    assert "period: DETA, 2 days" in page
    for title in (
        "Duration curves",
        "Self-consumption and curtailment",
        "Emissions by month",
        "Exchange by zone",
    ):
        assert title in page
    assert (tmp_path / "figures" / "grams-by-month.pdf").exists()
    assert (tmp_path / "tables" / "duration-curves.csv").exists()
    facts = as_json(run)
    assert sum(facts["grams_by_month"].values()) == pytest.approx(run.total["operational_g"] + run.shared_g)
    kept = facts["self_consumption_fraction"] + facts["curtailed_fraction"]
    assert kept + run.total["export_j"] / run.total["harvest_j"] == pytest.approx(1.0)


@pytest.mark.processes
@pytest.mark.skipif(CHROMIUM is None or BASH is None, reason=WHY_NOT)
def test_the_page_can_be_read_on_any_screen(folder: Path, run: Simulated, tmp_path: Path) -> None:
    page = write_page(run, folder).absolute().as_uri()
    with Browser(tmp_path / "browser") as browser:
        use_every_control(browser, page)
        read_everywhere(browser, page)
