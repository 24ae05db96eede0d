"""Energy of commits on an SD card: pages at the card's rate and power."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import _sd_card
from benchmarks._sd_card import joules_per_commit, outbox_commit_bytes, written_bytes
from benchmarks.telemetry import report


def test_a_page_of_data_and_one_of_the_journal_take_four_milliseconds() -> None:
    assert joules_per_commit(4096) == pytest.approx(0.66 * 2 * 0.002)
    assert joules_per_commit(4097) == pytest.approx(0.66 * 3 * 0.002)


def test_bytes_are_those_that_are_written(tmp_path: Path) -> None:
    assert written_bytes(lambda: (tmp_path / "file").write_bytes(bytes(10_000)) and None) == 10_000


def test_a_commit_writes_whole_pages_and_more_reports_more_of_them() -> None:
    assert outbox_commit_bytes(report("n0", 1), 20) > _sd_card.PAGE_BYTES
    few, many = (_sd_card.ledger_commit_bytes({"a": "x" * 200}, entries, 5) for entries in (1, 100))
    assert few < many < 100 * few
