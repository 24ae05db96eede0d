"""Meters that read a sensor: measured joules of a window, divided over stages as in window.py."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from carbon_data.types import Provenance
from edge_node.meters.base import MeterError, Slot
from edge_node.meters.registry import build_meter
from edge_node.meters.sampled import SampledMeter
from protos.messages.terms import Stage
from tests.edge_node.meters.recordings import BOARD, SteadySensor

pytestmark = pytest.mark.usefixtures("slow_machine")


def test_what_is_booked_is_the_reading(tmp_path: Path) -> None:
    """3 W all the time; the lines add up to the window's joules."""
    (tmp_path / "steady.csv").write_text("at_s,power_w\n0,3\n3600,0\n")
    meter = build_meter(f"recording:{tmp_path}/steady.csv", BOARD, 1.0)
    assert isinstance(meter, SampledMeter)
    meter.open(0)
    time.sleep(0.2)
    lines = meter.close(Slot(0, Stage.DEVELOPMENT, awake=True, woke=False))
    reading = meter.reading
    assert reading is not None
    assert sum(line.energy_uj for line in lines) == reading.energy_uj
    assert reading.energy_uj == pytest.approx(3e-3 * reading.duration_ns, rel=1e-6, abs=1)
    assert {line.provenance for line in lines} == {str(Provenance.MEASURED)}
    meter.stop()


def test_a_failed_window_leaves_no_reading_behind(tmp_path: Path) -> None:
    sensor = SteadySensor(tmp_path / "hwmon0")
    meter = build_meter(sensor.spec, BOARD, 1.0)
    assert isinstance(meter, SampledMeter)
    meter.open(0)
    time.sleep(0.1)
    meter.close(Slot(0, Stage.DEVELOPMENT, awake=True, woke=False))
    assert meter.reading is not None
    sensor.go(meter.sensor)
    meter.open(1)
    with pytest.raises(MeterError, match=r"last refused: sensor .* cannot be read"):
        meter.close(Slot(1, Stage.DEVELOPMENT, awake=True, woke=False))
    assert meter.reading is None
    meter.stop()


def test_an_estimate_is_not_called_measured(tmp_path: Path) -> None:
    (command := tmp_path / "vcgencmd").write_text(
        "#!/bin/sh\necho '  VDD_CORE_A current(7)=2.0A'\necho '  VDD_CORE_V volt(15)=0.8V'\n"
    )
    command.chmod(0o755)
    meter = build_meter(f"pmic:{command}", BOARD, 1.0)
    assert meter.provenance is Provenance.MODELLED
    assert isinstance(meter, SampledMeter)
    meter.stop()


def test_a_sensor_that_is_absent_is_refused_when_the_meter_is_made() -> None:
    with pytest.raises(MeterError, match="which serial port"):
        build_meter("um25c", BOARD, 1.0)
