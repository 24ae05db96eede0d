"""Meters that read the kernel's sensors: energy counters (RAPL, INA228) and power sensors (INA219, INA226,"""

from __future__ import annotations

from pathlib import Path

import pytest

from carbon_data.types import Provenance
from edge_node.meters.base import MeterError, Slot
from edge_node.meters.hwmon import (
    EnergyCounter,
    HwmonMeter,
    PowerIntegrator,
    RaplMeter,
    SensorMeter,
    find_rapl,
)
from protos.messages.terms import Stage
from tests.edge_node.meters.recordings import CONTEXT, fake_sysfs


def test_a_counter_that_wraps_loses_nothing(tmp_path: Path) -> None:
    folder = fake_sysfs(tmp_path, "rapl")
    counter = find_rapl("", root=tmp_path)
    meter = SensorMeter(CONTEXT, counter)
    meter.open(0)
    (folder / "energy_uj").write_text("990\n")
    assert counter.energy_uj() == 890
    (folder / "energy_uj").write_text("15\n")  # past 999 and round
    lines = meter.close(Slot(0, Stage.DEVELOPMENT, awake=True, woke=False))
    assert sum(line.energy_uj for line in lines) == 890 + 25
    assert {line.provenance for line in lines} == {str(Provenance.MEASURED)}


def test_a_counter_without_a_range_may_not_fall(tmp_path: Path) -> None:
    path = tmp_path / "energy1_input"
    path.write_text("100\n")
    counter = EnergyCounter(path, None)
    path.write_text("50\n")
    with pytest.raises(MeterError, match="fell from 100 to 50"):
        counter.energy_uj()


def test_power_is_integrated_by_trapezoids(tmp_path: Path) -> None:
    path = tmp_path / "power1_input"
    path.write_text("2000000\n")
    times = iter([0.0, 1.0, 3.0])
    sensor = PowerIntegrator(path, clock=lambda: next(times), threaded=False)
    path.write_text("4000000\n")
    sensor.sample()
    assert sensor.energy_uj() == 3_000_000 + 8_000_000


def test_a_sensor_that_fails_makes_a_gap(tmp_path: Path) -> None:
    folder = fake_sysfs(tmp_path, "rapl")
    meter = RaplMeter(CONTEXT, root=tmp_path)
    meter.open(0)
    (folder / "energy_uj").unlink()
    with pytest.raises(MeterError, match="cannot be read"):
        meter.close(Slot(0, Stage.DEVELOPMENT, awake=True, woke=False))


def test_without_a_sensor_the_meter_says_so(tmp_path: Path) -> None:
    with pytest.raises(MeterError, match="choose another meter"):
        RaplMeter(CONTEXT, root=tmp_path)
    with pytest.raises(MeterError, match="INA2xx"):
        HwmonMeter(CONTEXT, root=tmp_path)
