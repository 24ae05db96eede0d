"""Embodied emissions of a run, M of (L3): devices reserved for the run's own time, divided over their stages."""

from __future__ import annotations

import pytest

from edge_node.energy.boards import load_board
from edge_node.energy.sourced import Figure, Unknown
from experiments.report.lifecycle.books import by_stage
from experiments.report.lifecycle.embodied import embodied, few
from experiments.report.lifecycle.factors import Factors, factors_of, table
from experiments.report.lifecycle.footprint import per_inference, sci
from experiments.report.lifecycle.setting import setting_of
from experiments.resolve.made import BOARDS_KEY, FACTORS_KEY
from tests.experiments.report.by_hand import SCENARIO, make_run

KWH = 3.6e6


def test_embodied_is_time_over_life_for_every_device_and_follows_static_time() -> None:
    made = embodied(setting_of(make_run()), Factors())
    made_g = load_board("raspberry-pi-4b").embodied
    assert isinstance(made_g, Figure)
    board = made_g.value * 7200.0 / table("embodied")["device-life"].value
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


def test_a_board_of_unknown_making_voids_its_own_node_and_no_other() -> None:
    """n1 has no factor: it is named, and the sums are those of n0, its battery and the coordinator."""
    run = make_run(SCENARIO + '[nodes.board]\nprofile = "home-made"\n')
    made = embodied(setting_of(run), Factors())
    whole = embodied(setting_of(make_run()), Factors())
    assert list(made.unknown) == ["n1"]
    assert made.without.startswith(
        "n1 · B (emissions of making a home-made are unknown: unknown board 'home-made'"
    )
    assert {device.owner for device in made.devices} == {"n0", "coordinator"}
    others = [device.share_g for device in whole.devices if device.owner != "n1"]
    assert made.total_g == pytest.approx(sum(others))
    score = sci(by_stage(make_run()), made, 2000, 1)[0]
    assert score["sci_g_per_unit"] > score["operational_g_per_unit"] == pytest.approx(150.0)
    assert score["reason"] == f"M leaves out {made.without}"
    per = per_inference(by_stage(make_run()), made, 2000, 1e6)
    assert per["embodied_reason"] == f"leaves out {made.without}"


def test_where_nobody_is_known_there_is_no_figure_instead_of_zero() -> None:
    text = (
        SCENARIO
        + '[nodes.board]\nprofile = "raspberry-pi-5"\n[coordinator.board]\nprofile = "raspberry-pi-5"\n'
    )
    made = embodied(
        setting_of(make_run(text.replace("[battery]", '[board]\nprofile = "raspberry-pi-5"\n[battery]'))),
        Factors(),
    )
    assert (made.total_g, made.devices) == (None, ())
    assert made.reason.startswith(
        "unknown for every node: coordinator, n0 · A and n1 · B (emissions of making a raspberry-pi-5"
    )
    score = sci(by_stage(make_run()), made, 2000, 1)[0]
    assert score["sci_g_per_unit"] is None
    assert score["operational_g_per_unit"] == pytest.approx(150.0)
    assert per_inference(by_stage(make_run()), made, 2000, 1e6)["as_run"]["footprint_g"] is None


def test_a_battery_without_a_factor_voids_the_nodes_that_have_one() -> None:
    lacking = {"embodied": {"battery-per-kwh": Unknown("g/kWh", "not measured")}}
    made = embodied(setting_of(make_run()), Factors(lacking))
    assert made.unknown == {"n0": "factor embodied.battery-per-kwh is unknown"}
    assert {device.owner for device in made.devices} == {"n1", "coordinator"}
    none = embodied(setting_of(make_run()), Factors({"embodied": {"device-life": Unknown("s", "?")}}))
    assert none.total_g is None
    assert list(none.unknown) == ["coordinator", "n0", "n1"]


def test_what_the_run_recorded_goes_before_todays_profile() -> None:
    run = make_run()
    made = {"embodied_g": {"value": 1e6, "unit": "g", "source": "me", "note": ""}}
    run.metadata[BOARDS_KEY] = {"raspberry-pi-4b": {"name": "mine", "made": made}}
    run.metadata[FACTORS_KEY] = {
        "embodied": {"device-life": {"value": 3.6e6, "unit": "s", "source": "me", "note": ""}}
    }
    factors = factors_of([run])
    found = embodied(setting_of(run), factors)
    assert [d.share_g for d in found.devices if d.device == "mine"] == pytest.approx([1e6 * 7200 / 3.6e6] * 3)
    assert {"embodied: mine", "embodied: device-life"} <= {one["factor"] for one in factors.used()}


def test_many_names_are_counted() -> None:
    assert few([f"n{k}" for k in range(10)]) == "n0, n1, n2, n3, n4, n5, n6, n7 and 2 more"


def test_devices_are_reserved_for_as_long_as_slots_of_real_time_lasted() -> None:
    """Planned are two slots of an hour; measured are three hours and one."""
    run = make_run()
    slots = run.tables["slots"]
    whole = embodied(setting_of(run), Factors())
    run.tables["slots"] = slots.assign(duration_s=slots["slot"].map({0: 10_800.0, 1: 3600.0}))
    assert embodied(setting_of(run), Factors()).total_g == pytest.approx(2 * whole.total_g)
