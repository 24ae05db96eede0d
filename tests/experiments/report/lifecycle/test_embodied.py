"""Embodied emissions of a run, M of (L3): devices reserved for the run's own time, divided over their stages."""

from __future__ import annotations

import pytest

from experiments.report.lifecycle.books import by_stage
from experiments.report.lifecycle.embodied import embodied
from experiments.report.lifecycle.factors import Factors, table
from experiments.report.lifecycle.footprint import per_inference, sci
from experiments.report.lifecycle.setting import setting_of
from tests.experiments.report.by_hand import SCENARIO, make_run

KWH = 3.6e6


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
