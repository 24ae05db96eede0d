"""The benchmark's runs on the wall clock, with short slots."""

from __future__ import annotations

from pathlib import Path

from benchmarks._wall import offset_clocks, order_of


def test_clocks_that_differ_are_measured_and_leave_the_order_of_slots(tmp_path: Path) -> None:
    found = offset_clocks(tmp_path)
    assert found["clocks_off_by_5_s_out_of_order"] == 0.0
    assert (
        found["clocks_off_by_5_s_largest_error_s"] <= found["clocks_off_by_5_s_largest_uncertainty_s"] + 1e-6
    )
    assert found["clocks_off_by_5_s_largest_uncertainty_s"] < 0.05
    assert ("slot_end", 5) in order_of(tmp_path / "off")
