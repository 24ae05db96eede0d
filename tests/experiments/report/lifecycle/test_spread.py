"""Uncertainty of a comparison's reductions: Monte-Carlo with paired draws, seeds separately and together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carbon_data.types import DataError
from carbon_data.uncertainty import ErrorModel, monte_carlo_totals
from experiments.report.boundary import Boundary
from experiments.report.lifecycle.factors import Factors, table
from experiments.report.lifecycle.spread import (
    error_model,
    gram_lines,
    network_ratios,
    stated_reductions,
    total_spread,
)
from experiments.report.read import Run, Study
from tests.experiments.report.by_hand import LINES, NETWORK, line, make_run, with_network

KWH = 3.6e6


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
