"""The benchmark of the TREE study."""

from __future__ import annotations

from benchmarks.case_study import measure


def test_the_benchmark_compares_before_it_reports() -> None:
    figures = measure(packets=2_000, repeats=1)
    assert figures["packets_delivered"] > 1_500
    assert figures["packets_per_minute_one_core"] > 0
