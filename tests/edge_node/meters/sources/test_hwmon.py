"""Sensors of the kernel's hwmon tree, in a fake one."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.meters.sources.hwmon import open_hwmon
from edge_node.meters.sources.source import Restarted, SourceError
from protos.messages.terms import MeterKind


def chip(root: Path, number: int, name: str, **files: int | str) -> Path:
    folder = root / f"hwmon{number}"
    folder.mkdir()
    for file, content in {"name": name, **files}.items():
        (folder / file).write_text(f"{content}\n")
    return folder


def test_the_first_chip_that_measures_power_is_taken(tmp_path: Path) -> None:
    chip(tmp_path, 0, "cpu_thermal", temp1_input=40_000)
    folder = chip(tmp_path, 1, "ina226", power1_input=4_000_000, in0_input=2, in1_input=5000, curr1_input=800)
    source = open_hwmon("", root=tmp_path)
    assert (source.kind, source.read(), source.rate_hz) == (MeterKind.POWER, 4_000_000, 1000.0)
    (folder / "update_interval").write_text("140\n")
    assert open_hwmon(str(folder)).rate_hz == pytest.approx(1000 / 140)
    (folder / "power1_input").unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        source.read()
    (folder / "power1_input").write_text("5000000\n")
    assert source.read() == 5_000_000


def test_an_energy_counter_is_preferred_and_may_begin_anew(tmp_path: Path) -> None:
    folder = chip(tmp_path, 0, "ina228", energy1_input=1000, power1_input=4)
    source = open_hwmon("", root=tmp_path)
    (folder / "energy1_input").write_text("1900\n")
    assert (source.kind, source.read()) == (MeterKind.COUNTER, 900)
    (folder / "energy1_input").write_text("10\n")
    with pytest.raises(Restarted):
        source.read()


def test_power_z_of_the_kernel_is_voltage_times_current(tmp_path: Path) -> None:
    """in0 is the bus although the current's number is 1; 5,012 mV times 700 mA are 3.5084 W."""
    chip(
        tmp_path, 3, "powerz", in0_input=5012, in0_label="VBUS", in1_input=1600, in1_label="VCC1", curr1_input=700,
        curr1_label="IBUS",
    )  # fmt: skip
    source = open_hwmon("", root=tmp_path)
    assert (source.kind, source.read(), source.resolution) == (MeterKind.POWER, 3_508_400, 5012)


def test_rails_of_a_jetson(tmp_path: Path) -> None:
    rails = {"in1_input": 5000, "in2_input": 4900, "curr1_input": 900, "curr2_input": 300}
    folder = chip(tmp_path, 0, "ina3221", **rails)
    with pytest.raises(
        SourceError, match=r"several channels: curr1_input \(no label\), curr2_input.*name one"
    ):
        open_hwmon(str(folder))
    assert open_hwmon(str(folder / "curr2_input")).read() == 1_470_000
    (folder / "curr1_label").write_text("VDD_IN\n")
    assert open_hwmon(str(folder)).read() == 4_500_000


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="modprobe"):
        open_hwmon("", root=tmp_path)
    folder = chip(tmp_path, 0, "ina219", temp1_input=3)
    with pytest.raises(SourceError, match="has no energyN_input"):
        open_hwmon(str(folder))
    with pytest.raises(SourceError, match="is no energyN_input"):
        open_hwmon(str(folder / "temp1_input"))
    (folder / "curr1_input").write_text("5\n")
    with pytest.raises(SourceError, match="no in1_input beside it"):
        open_hwmon(str(folder))
