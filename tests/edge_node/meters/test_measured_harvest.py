"""Harvest that a sensor measures: real samplers on recordings of a panel."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_node.config import HarvestConfig
from edge_node.meters.base import MeterError
from edge_node.meters.measured_harvest import MeasuredHarvest, open_panel
from protos.messages.terms import MeterKind
from tests.edge_node.meters.recordings import SteadySensor

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("slow_machine")]
EXPECTED = HarvestConfig(power_w=(2.0, 3.0, 4.0))
PANEL_W = 2.5


@pytest.fixture
def panel(tmp_path: Path) -> Iterator[MeasuredHarvest]:
    (tmp_path / "panel.csv").write_text(f"at_s,power_w\n0,{PANEL_W}\n3600,0\n")
    made = MeasuredHarvest(EXPECTED, 60.0, f"recording:{tmp_path}/panel.csv,repeat")
    yield made
    made.stop()


def test_what_came_is_measured_and_what_is_expected_is_of_the_series(panel: MeasuredHarvest) -> None:
    panel.restart()
    time.sleep(0.3)
    panel.mark()
    harvest_uj = panel.over_uj(0, 9.0)
    told = panel.metered
    assert told is not None
    assert told.kind is MeterKind.POWER
    assert told.energy_uj == harvest_uj
    assert told.half_width_uj is not None
    assert abs(harvest_uj - PANEL_W * 1e6 * told.window_s) <= told.half_width_uj + 1
    assert panel.forecast_uj(0, 3) == (120_000_000, 180_000_000, 240_000_000)


def test_a_panel_gives_nothing_at_night_and_is_not_stuck(tmp_path: Path) -> None:
    (tmp_path / "night.csv").write_text("at_s,power_w\n0,0\n3600,0\n")
    night = MeasuredHarvest(EXPECTED, 60.0, f"recording:{tmp_path}/night.csv,repeat")
    time.sleep(0.2)
    night.mark()
    assert night.over_uj(0, 9.0) == 0
    assert night.metered is not None, "nothing, as measured; a missing reading has none"
    night.stop()


def test_a_sensor_that_goes_away_leaves_no_reading_and_never_zero(tmp_path: Path) -> None:
    sensor = SteadySensor(tmp_path / "hwmon0")
    panel = MeasuredHarvest(EXPECTED, 60.0, sensor.spec)
    sensor.go(panel._sensor)
    panel.mark()
    with pytest.raises(MeterError, match=r"not enclosed by samples.*cannot be read"):
        panel.over_uj(0, 9.0)
    assert panel.metered is None
    panel.stop()


def test_a_power_that_no_such_panel_gives_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "high.csv").write_text("at_s,power_w\n0,5000\n3600,0\n")
    said = r"gave no usable samples in 3 s; .*which no such panel gives"
    with pytest.raises(MeterError, match=said):
        open_panel(f"recording:{tmp_path}/high.csv,repeat", EXPECTED)


@pytest.mark.parametrize("spec", ["modelled", "replay:x.jsonl", "hwomn:x"])
def test_only_a_sensor_measures_a_panel(spec: str) -> None:
    with pytest.raises(MeterError, match="is no sensor; allowed are rapl, hwmon"):
        open_panel(spec, EXPECTED)
