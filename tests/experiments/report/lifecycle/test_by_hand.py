"""Every formula of the life cycle on a run small enough to check by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from carbon_data.types import DataError
from carbon_data.uncertainty import ErrorModel, monte_carlo_totals
from experiments.report.boundary import Boundary
from experiments.report.functional import functional_units
from experiments.report.lifecycle.books import Sum, by_stage
from experiments.report.lifecycle.columns import grid_by_zone, harvest_life_cycle, marginal, market_based
from experiments.report.lifecycle.embodied import embodied
from experiments.report.lifecycle.factors import Factors, table
from experiments.report.lifecycle.footprint import per_inference, sci
from experiments.report.lifecycle.given import Given
from experiments.report.lifecycle.setting import setting_of
from experiments.report.lifecycle.spread import (
    error_model,
    gram_lines,
    network_ratios,
    stated_reductions,
    total_spread,
)
from experiments.report.lifecycle.tornado import tornado
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
    rounds = pd.DataFrame({"stage": ["development", "recycling", "recycling"]})
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
    found = gram_lines(pd.DataFrame(lines), {})
    assert found.grams.sum() == pytest.approx(sum(x["operational_g"] for x in lines))
    by_meter = {meter: found.grams[[m == meter for m in found.meters]].sum() for meter in set(found.meters)}
    assert by_meter["n1"] == pytest.approx(400.0)
    assert by_meter["network"] == pytest.approx(50.0)


def test_every_board_profile_and_the_users_devices_have_a_gain_of_their_own() -> None:
    """Two profiles of equal grams: a run's spread is that of one gain over the square root of two."""
    devices = line(1, "devices", "A", "application", "radio", 1.0, 1.0, 100.0)
    boards = {"n0": "slow", "n1": "fast", "coordinator": "slow"}
    found = gram_lines(pd.DataFrame([*LINES, devices]), boards)
    by_meter = {meter: found.grams[[m == meter for m in found.meters]].sum() for meter in set(found.meters)}
    grams = {
        node: sum(x["operational_g"] for x in LINES if x["node_id"] == node)
        for node in ("n0", "n1", "coordinator")
    }
    assert by_meter["boards' model: slow"] == pytest.approx(grams["n0"] + grams["coordinator"])
    assert by_meter["boards' model: fast"] == pytest.approx(grams["n1"])
    assert by_meter["users' devices"] == pytest.approx(100.0)
    even = pd.DataFrame(
        [line(0, node, "A", "application", "compute", 1.0, 1.0, 50.0) for node in ("n0", "n1")]
    )
    error = ErrorModel(0.15)
    mixed, alike = (
        monte_carlo_totals([gram_lines(even, profiles)], error)[0].std()
        for profiles in (boards, dict.fromkeys(boards, "slow"))
    )
    assert alike == pytest.approx(15.0, rel=0.03)
    assert mixed == pytest.approx(15.0 / np.sqrt(2), rel=0.03)


def test_a_reduction_that_meters_share_has_no_spread_of_readings() -> None:
    """Half the grams in every line: for any gain the reduction is a half, also with paired draws."""
    half = [{**x, "operational_g": x["operational_g"] / 2} for x in LINES]
    study = Study(
        Path("x"),
        True,
        {
            "local": {s: make_run(policy="local", seed=s) for s in (0, 1)},
            "deta": {s: make_run(lines=half, seed=s) for s in (0, 1)},
        },
    )
    rows = {(one.policy, one.baseline, one.boundary): one for one in stated_reductions(study, draws=200)}
    assert len(rows) == 6  # DETA against GRID and LOCAL, LOCAL against GRID, nodes alone and whole testbed
    row = rows["deta", "local", Boundary.TESTBED]
    assert row.seeds == 2
    assert row.reduction == pytest.approx(0.5)
    assert row.readings.std == pytest.approx(0.0, abs=1e-12)
    assert row.together.low == pytest.approx(0.5)
    assert row.seeds_interval is not None
    assert np.isclose(row.seeds_interval.mean, 0.5)


NETWORK = {
    "booked_j_per_byte": 4e-6,
    "low_j_per_byte": 1e-6,
    "high_j_per_byte": 16e-6,
    "source": "s",
    "low_source": "l",
    "high_source": "h",
}


def with_network(run: Run) -> Run:
    return Run(run.folder, {**run.metadata, "network": NETWORK}, run.scenario, run.tables)


def test_the_networks_factor_scales_its_lines_alone_between_its_ends() -> None:
    """Grams: 1800 of nodes and coordinator, 50 of the network at 4 J/MB: 12.5 g to 200 g at its ends."""
    run = with_network(make_run())
    error = replace(error_model([run], Factors()), gain_std_fraction=0.0, intensity_std_fraction=0.0)
    assert error.meter_range == {"network": (0.25, 4.0)}
    drawn = monte_carlo_totals([gram_lines(run.tables["lines"], {})], error)[0]
    assert 1812.5 <= drawn.min() < 1813.5
    assert 1990 < drawn.max() <= 2000.0
    nodes = total_spread(run, Factors(), boundary=Boundary.NODES)
    assert nodes is not None
    assert nodes.mean == pytest.approx(1600.0, rel=0.01)


def test_nodes_alone_do_not_depend_on_the_networks_factor_and_the_whole_testbed_does() -> None:
    saved = [{**x, "operational_g": x["operational_g"] / 2} if x["node_id"] == "n1" else x for x in LINES]
    more = [{**x, "operational_g": 400.0} if x["node_id"] == "network" else x for x in saved]
    runs = {"local": make_run(policy="local"), "deta": make_run(lines=more)}
    wide = Study(Path("x"), True, {name: {0: with_network(run)} for name, run in runs.items()})
    narrow = {**NETWORK, "low_j_per_byte": 4e-6, "high_j_per_byte": 4e-6}
    still = Study(
        Path("x"),
        True,
        {
            name: {0: Run(r.folder, {**r.metadata, "network": narrow}, r.scenario, r.tables)}
            for name, r in runs.items()
        },
    )
    one, other = (
        {r.boundary: r for r in stated_reductions(study, draws=2000) if r.baseline == "local"}
        for study in (wide, still)
    )
    assert one[Boundary.NODES].together == other[Boundary.NODES].together
    assert (
        one[Boundary.TESTBED].reduction
        == other[Boundary.TESTBED].reduction
        == pytest.approx(1 - (1850.0 - 600.0 + 350.0) / 1850.0)
    )
    # At four times the factor the network's extra 350 g grow to 1,400 g: nothing is saved any more.
    assert one[Boundary.TESTBED].together.low < 0 < other[Boundary.TESTBED].together.low
    assert one[Boundary.TESTBED].together.high > other[Boundary.TESTBED].together.high


def test_runs_that_booked_the_network_differently_are_not_compared() -> None:
    other = Run(Path("x"), {**make_run().metadata, "network": {**NETWORK, "booked_j_per_byte": 5e-6}}, "", {})
    with pytest.raises(DataError, match="booked the network differently"):
        network_ratios([with_network(make_run()), other])


def test_every_metered_node_has_a_gain_of_its_own() -> None:
    lines = [{**x, "provenance": "measured"} if x["node_id"] == "n0" else x for x in LINES]
    error = error_model([make_run(lines=lines)], Factors())
    assert error.meter_std_fraction == {"n0": table("uncertainty")["measured-gain"].value}
    assert error.gain_std("boards' model") == table("uncertainty")["modelled-gain"].value


def test_functional_units_by_hand() -> None:
    """Development 1500 g in one round (two of recycling count for nothing), application 300 g for 4,000 answers, 1850 g
    (idle too) in two hours of board time."""
    run = make_run()
    found = functional_units(run)
    assert found.per_round_g == pytest.approx(1500.0)
    assert found.per_1000_answers_g == pytest.approx(75.0)
    assert found.per_hour_g == pytest.approx(1850.0 / 2)
    assert found.per_1000_tokens_g is None  # nothing was served in tokens: missing, not zero
    nodes = functional_units(run, Boundary.NODES)
    assert nodes.per_round_g == pytest.approx(1350.0)
    assert nodes.per_1000_answers_g == pytest.approx(50.0)


def test_tokens_bear_the_joules_of_their_service_and_its_part_of_the_shared_lines() -> None:
    """n0's text reads 3,000 and generates 1,000 tokens with half of its 2 kWh, images use the other half; n1 serves
    images with 1 kWh: half of n0's 200 g and a third of the coordinator's 100 g."""
    run = make_run()
    serving = pd.DataFrame(
        {
            "slot": [1, 1, 1],
            "node_id": ["n0", "n0", "n1"],
            "service": ["text", "images", "images"],
            "requests": [10, 20, 20],
            "unserved_requests": [0, 0, 0],
            "tokens_in": [3000, 0, 0],
            "tokens_out": [1000, 0, 0],
            "energy_j": [KWH, KWH, KWH],
        }
    )
    run = Run(run.folder, run.metadata, run.scenario, {**run.tables, "serving": serving})
    assert functional_units(run).per_1000_tokens_g == pytest.approx((100.0 + 100.0 / 3) / 4)
    assert functional_units(run, Boundary.NODES).per_1000_tokens_g == pytest.approx(25.0)


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
