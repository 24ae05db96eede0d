"""Bounds of a scenario's nodes: their boards, panels and batteries as they will run."""

from __future__ import annotations

from pathlib import Path

from experiments.resolve.bounds import LEAST_REAL_S, node_bounds
from experiments.resolve.resolve import resolve
from experiments.scenario.model import parse_scenario
from tests.scenarios import SMALL


def test_bounds_are_those_of_the_nodes_own_configurations(tmp_path: Path) -> None:
    resolved = resolve(parse_scenario(SMALL))
    bounds = resolved.coordinator_config("r", tmp_path / "l").bounds
    for known, config in zip(bounds, resolved.node_configs("r", "", with_harvest=True), strict=True):
        assert known.node_id == config.node_id
        assert known.power_w == config.board.busy_w
        assert known.harvest_w >= max(config.harvest.power_w) > 0
        assert known.battery_j == (config.battery.capacity_j if config.battery else 0)
        assert known.least_s == 0


def test_no_panel_under_grid_and_real_time_for_other_meters() -> None:
    text = 'policy = "grid"\n' + SMALL.replace("[fleet]", '[fleet]\nmeter = "cpu-time"')
    for known in node_bounds(resolve(parse_scenario(text))):
        assert (known.harvest_w, known.battery_j, known.least_s) == (0, 0, LEAST_REAL_S)
