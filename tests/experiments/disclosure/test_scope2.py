"""Scope 2 by location and market, and matched shares, by hand and from a real run."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from experiments.disclosure.scope2 import by_zone, received_from_other_zones_j, scope2
from experiments.report.lifecycle.embodied import Embodied
from experiments.report.read import Run
from tests.experiments.report.by_hand import KWH

UNKNOWN = Embodied((), {}, "not asked for")


def flows(run: Run, *rows: tuple[str, str, str, float]) -> Run:
    names = ["donor", "recipient", "status", "received_j"]
    nodes = run.tables["nodes"].assign(zone=["A", "B"])
    return replace(
        run, tables={**run.tables, "nodes": nodes, "energy_flows": pd.DataFrame(list(rows), columns=names)}
    )


def test_matched_is_what_did_not_come_from_the_grid_less_what_came_from_afar(by_hand: Run) -> None:
    run = flows(by_hand, ("n0", "n1", "posted", 0.5 * KWH), ("n0", "n1", "voided", 9.0 * KWH))
    assert received_from_other_zones_j(run) == 0.5 * KWH
    found = {entry.key: entry for entry in scope2(run, UNKNOWN).entries}
    energy, grid = 12.2, 9.2
    assert found["hourly_matched_share"].value == pytest.approx((energy - grid) / energy)
    assert found["hourly_matched_within_zone_share"].value == pytest.approx((energy - grid - 0.5) / energy)
    assert found["location_based_g"].value == pytest.approx(1850.0)
    assert "market_g_per_kwh" in found["market_based_g"].reason
    assert found["embodied_g"].value is None


def test_slots_longer_than_an_hour_are_not_hourly(by_hand: Run) -> None:
    run = flows(by_hand)
    daily = replace(run, metadata={**run.metadata, "trace_step_s": 86400.0})
    found = {entry.key: entry for entry in scope2(daily, UNKNOWN).entries}
    assert found["hourly_matched_share"].value is None
    assert "not hourly" in found["hourly_matched_share"].reason


def test_the_zones_add_up_to_the_run(run: Run, made: Embodied) -> None:
    zones = by_zone(run)
    location = next(entry for entry in scope2(run, made).entries if entry.key == "location_based_g")
    assert zones["operational_g"].sum() == pytest.approx(location.value)
    assert location.value == pytest.approx(run.emissions_g)
    assert zones["matched_share"].dropna().between(0, 1).all()
