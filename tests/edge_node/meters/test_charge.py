"""What a battery's gauge shows: sysfs trees and files, whole, broken and absurd."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_node.meters.base import MeterError
from edge_node.meters.charge import Charge

CAPACITY_UJ = 36_000_000_000
"""10 Wh."""


def test_a_battery_of_the_kernel_is_read_by_the_best_that_it_tells(tmp_path: Path) -> None:
    (tmp_path / "capacity").write_text("50\n")
    gauge = Charge(f"power-supply:{tmp_path}", CAPACITY_UJ)
    assert gauge.stored_uj() == CAPACITY_UJ // 2
    (tmp_path / "charge_now").write_text("2000000\n")
    (tmp_path / "voltage_now").write_text("3700000\n")
    assert gauge.stored_uj() == 7_400_000 * 3600, "2 Ah at 3.7 V"
    (tmp_path / "energy_now").write_text("9000000\n")
    assert gauge.stored_uj() == 9_000_000 * 3600


def test_a_gauge_that_goes_away_has_no_reading_and_never_zero(tmp_path: Path) -> None:
    (gauge_file := tmp_path / "stored_uj").write_text("5000000")
    gauge = Charge(f"file:{gauge_file}", CAPACITY_UJ)
    gauge_file.write_text("")
    with pytest.raises(MeterError, match="cannot be read"):
        gauge.stored_uj()
    gauge_file.unlink()
    with pytest.raises(MeterError, match="cannot be read"):
        gauge.stored_uj()
    gauge_file.write_text("6000000")
    assert gauge.stored_uj() == 6_000_000, "it is back"


@pytest.mark.parametrize("shown", [-1, CAPACITY_UJ * 103 // 100, 10**18])
def test_what_the_battery_cannot_hold_is_refused(tmp_path: Path, shown: int) -> None:
    (tmp_path / "stored_uj").write_text(str(shown))
    with pytest.raises(MeterError, match=r"is its unit right, and battery.capacity_wh that of this battery"):
        Charge(f"file:{tmp_path}/stored_uj", CAPACITY_UJ)


def test_a_little_above_its_capacity_is_full(tmp_path: Path) -> None:
    (tmp_path / "stored_uj").write_text(str(CAPACITY_UJ * 101 // 100))
    assert Charge(f"file:{tmp_path}/stored_uj", CAPACITY_UJ).stored_uj() == CAPACITY_UJ


@pytest.mark.parametrize("spec", ["hwmon:x", "power-supply:", "BAT0"])
def test_another_word_is_refused_with_what_is_allowed(spec: str) -> None:
    with pytest.raises(MeterError, match="allowed are power-supply:FOLDER"):
        Charge(spec, CAPACITY_UJ)
