"""One window's energy with what is known of its quality."""

from __future__ import annotations

from edge_node.meters.sampling.reading import Kind, Reading


def test_an_interval_does_not_reach_below_zero() -> None:
    reading = Reading(Kind.POWER, 100, 130, 10.0, 1.0, 0, 10**9)
    assert (reading.low_uj, reading.high_uj) == (0, 230)
