"""Every formula of the life cycle on a run small enough to check by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from carbon_data.types import DataError
from experiments.lifecycle.books import Sum, by_stage
from experiments.lifecycle.columns import grid_by_zone, harvest_life_cycle, marginal, market_based
from experiments.lifecycle.embodied import embodied
from experiments.lifecycle.factors import Factors, table
from experiments.lifecycle.footprint import per_inference, sci
from experiments.lifecycle.given import Given
from experiments.lifecycle.setting import setting_of
from experiments.lifecycle.spread import gram_lines, reductions
from experiments.report.read import Run, Study

KWH = 3.6e6
SCENARIO = """name = "hand"
[stages]
development = 1
application = 1
[battery]
capacity_wh = 100
[[nodes]]
zone = "A"
[[nodes]]
zone = "B"
"""


def line(
    slot: int,
    node: str,
    zone: str,
    stage: str,
    component: str,
    kwh: float,
    grid: float,
    grams: float,
    how="modelled",
) -> dict[str, Any]:
    return {
        "slot": slot,
        "node_id": node,
        "zone": zone,
        "stage": stage,
        "component": component,
        "energy_j": kwh * KWH,
        "grid_j": grid * KWH,
        "operational_g": grams,
        "provenance": how,
    }


LINES = [
    # Slot 0: development. Node n0 in A (100 g/kWh) half green; n1 in B (400 g/kWh) all grid.
    line(0, "n0", "A", "development", "compute", 2.0, 1.0, 100.0),
    line(0, "n0", "A", "development", "static", 1.0, 0.5, 50.0),
    line(0, "n0", "A", "unallocated", "static", 1.0, 0.5, 50.0),
    line(0, "n1", "B", "development", "static", 3.0, 3.0, 1200.0),
    line(0, "network", "A+B", "development", "network", 0.2, 0.2, 50.0),
    line(0, "coordinator", "A", "development", "coordinator", 1.0, 1.0, 100.0),
    # Slot 1: application, the same intensities.
    line(1, "n0", "A", "application", "static", 2.0, 2.0, 200.0),
    line(1, "n1", "B", "application", "static", 1.0, 0.0, 0.0),
    line(1, "coordinator", "A", "application", "coordinator", 1.0, 1.0, 100.0),
]


def make_run(
    scenario: str = SCENARIO, lines: list[dict[str, Any]] | None = None, policy: str = "deta", seed: int = 0
) -> Run:
    slots = pd.DataFrame(
        [
            {
                "slot": slot,
                "node_id": node,
                "zone": zone,
                "intensity_g_per_kwh": intensity,
                "requests": requests,
                "harvest_j": harvest,
                "metered": True,
            }
            for slot, requests in ((0, 0), (1, 2000))
            for node, zone, intensity, harvest in (("n0", "A", 100.0, 2.0 * KWH), ("n1", "B", 400.0, 0.0))
        ]
    )
    nodes = pd.DataFrame({"node_id": ["n0", "n1"], "battery_capacity_j": [0.1 * KWH, 0.0]})
    rounds = pd.DataFrame({"stage": ["development"]})
    metadata = {
        "run_id": "hand",
        "name": "hand",
        "policy": policy,
        "seed": seed,
        "slot_s": 3600.0,
        "trace_step_s": 3600.0,
        "start": "2022-01-01T00:00:00+00:00",
    }
    tables = {
        "slots": slots,
        "lines": pd.DataFrame(LINES if lines is None else lines),
        "nodes": nodes,
        "rounds": rounds,
    }
    return Run(Path("hand"), metadata, scenario, tables)


def test_stages_sum_to_the_run_and_take_network_and_coordinator_with_them() -> None:
    stages = by_stage(make_run())
    assert stages["development"].operational_g == pytest.approx(1500.0)
    assert stages["application"].operational_g == pytest.approx(300.0)
    assert stages["preparation"].operational_g == stages["recycling"].operational_g == 0.0
    assert sum(s.operational_g for s in stages.values()) == pytest.approx(
        sum(x["operational_g"] for x in LINES)
    )
    assert sum(s.energy_j for s in stages.values()) == pytest.approx(sum(x["energy_j"] for x in LINES))
    # Without harvest: n0's 3 kWh at 100 and n1's 3 kWh at 400, network 50 and coordinator 100 as booked.
    assert stages["development"].all_grid_g == pytest.approx(300 + 1200 + 50 + 100)
    # Application: 2 kWh at 100, 1 kWh at 400, coordinator 100.
    assert stages["application"].all_grid_g == pytest.approx(200 + 400 + 100)


def test_embodied_is_time_over_life_for_every_device_and_follows_static_time() -> None:
    made = embodied(setting_of(make_run()), Factors())
    board = table("embodied")["raspberry-pi-4b"].value * 7200.0 / table("embodied")["device-life"].value
    battery = (
        table("embodied")["battery-per-kwh"].value * 0.1 * 7200.0 / table("embodied")["battery-life"].value
    )
    assert made.total_g == pytest.approx(3 * board + battery)
    assert sum(made.by_stage.values()) == pytest.approx(made.total_g)
    # n0: static 1 development, 1 unallocated, 2 application; n1: 3 and 1; coordinator: 1 and 1.
    assert made.by_stage["unallocated"] == pytest.approx(0.25 * (board + battery))
    assert made.by_stage["development"] == pytest.approx(
        0.25 * (board + battery) + 0.75 * board + 0.5 * board
    )


def test_a_battery_scaled_to_its_slot_is_scaled_back_to_the_one_that_was_bought() -> None:
    run = make_run()
    run.metadata["trace_step_s"] = 36_000.0
    scaled = [d for d in embodied(setting_of(run), Factors()).devices if d.device == "battery"]
    assert scaled[0].embodied_g == pytest.approx(table("embodied")["battery-per-kwh"].value * 1.0)


def test_an_unknown_board_gives_no_figure_instead_of_zero() -> None:
    made = embodied(setting_of(make_run(SCENARIO + '[nodes.board]\nprofile = "home-made"\n')), Factors())
    assert made.total_g is None
    assert "home-made" in made.reason
    score = sci(by_stage(make_run()), made, 2000, 1)[0]
    assert score["sci_g_per_unit"] is None
    assert score["operational_g_per_unit"] == pytest.approx(150.0)
    assert per_inference(by_stage(make_run()), made, 2000, 1e6)["as_run"]["footprint_g"] is None


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


def test_gram_lines_keep_every_gram_under_the_right_meter() -> None:
    lines = [*LINES, line(1, "n1", "B", "application", "compute", 1.0, 1.0, 400.0, "measured")]
    found = gram_lines(make_run(lines=lines))
    assert found.grams.sum() == pytest.approx(sum(x["operational_g"] for x in lines))
    by_meter = {meter: found.grams[[m == meter for m in found.meters]].sum() for meter in set(found.meters)}
    assert by_meter["n1"] == pytest.approx(400.0)
    assert by_meter["network's model"] == pytest.approx(50.0)


def test_a_reduction_that_meters_share_has_no_spread_of_readings() -> None:
    """Half the grams in every line: whatever the gain, the reduction is a half; paired draws know that."""
    half = [{**x, "operational_g": x["operational_g"] / 2} for x in LINES]
    study = Study(
        Path("x"),
        True,
        {
            "local": {s: make_run(policy="local", seed=s) for s in (0, 1)},
            "deta": {s: make_run(lines=half, seed=s) for s in (0, 1)},
        },
    )
    (row,) = reductions(study, Factors(), draws=200)
    assert (row["policy"], row["baseline"], row["seeds"]) == ("deta", "local", 2)
    assert row["reduction"] == pytest.approx(0.5)
    assert row["readings"]["std"] == pytest.approx(0.0, abs=1e-12)
    assert row["together"]["low"] == pytest.approx(0.5)
    assert np.isclose(row["seeds_interval"]["mean"], 0.5)


def test_every_factor_has_a_source_and_choices_say_so() -> None:
    for name in ("embodied", "harvest", "uncertainty"):
        for key, figure in table(name).items():
            assert figure.source.strip(), key
            assert figure.value > 0, key


def test_given_is_a_value_or_a_reason() -> None:
    with pytest.raises(ValueError, match="give one"):
        Given(None)
    with pytest.raises(ValueError, match="give one"):
        Given(1.0, "why")
