"""Functional units of a run: grams per round, per 1,000 answers, per 1,000 tokens, and the fleet's grams per hour."""

from __future__ import annotations

import pandas as pd
import pytest

from experiments.report.boundary import Boundary
from experiments.report.functional import functional_units
from experiments.report.read import Run
from tests.experiments.report.by_hand import make_run

KWH = 3.6e6


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


def test_an_hour_of_the_fleet_is_as_long_as_boards_measured_it() -> None:
    """Slots on the wall clock that overran: n0's and n1's windows of a slot are 1.5 h and 2.5 h, of the last none."""
    run = make_run()
    slots = run.tables["slots"]
    last = slots["slot"].max()
    hours = slots["node_id"].map({"n0": 1.5, "n1": 2.5}).where(slots["slot"] != last)
    wall = {**run.tables, "slots": slots.assign(duration_s=(hours * 3600.0).astype("Float64"))}
    found = Run(run.folder, run.metadata, run.scenario, wall)
    count = slots["slot"].nunique()
    assert found.board_s == pytest.approx((count - 1) * 2 * 3600.0 + run.slot_s)
    assert found.lasted_s(slots["slot"][slots["slot"] != last]) == pytest.approx((count - 1) * 2 * 3600.0)
    per_hour_g = functional_units(found).per_hour_g
    assert per_hour_g == pytest.approx(1850.0 / (found.board_s / 3600.0))


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
