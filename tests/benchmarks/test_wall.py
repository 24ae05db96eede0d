"""The benchmark's runs on the wall clock, with short slots."""

from __future__ import annotations

from pathlib import Path

from benchmarks._wall import offset_clocks, order_of


def test_clocks_that_differ_leave_the_order_of_slots(tmp_path: Path) -> None:
    assert offset_clocks(tmp_path) == {"clocks_off_by_5_s_out_of_order": 0.0}
    assert ("slot_end", 5) in order_of(tmp_path / "off")
