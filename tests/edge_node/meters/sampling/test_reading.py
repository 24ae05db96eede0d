"""One window's energy with what is known of its quality."""

from __future__ import annotations

from edge_node.meters.sampling.reading import Reading
from protos.messages.slot import Metered
from protos.messages.terms import MeterKind


def test_an_interval_does_not_reach_below_zero() -> None:
    reading = Reading(MeterKind.POWER, 100, 130, 10.0, 1.0, 0, 10**9)
    assert (reading.low_uj, reading.high_uj) == (0, 230)


def test_what_a_node_reports_of_it() -> None:
    told = Reading(MeterKind.COUNTER, 100, 13, 10.0, 0.95, 2, 1_500_000_000, bias_uj=5).metered
    assert told == Metered(MeterKind.COUNTER, 100, 13, 5, 10.0, 0.95, 2, 1.5)


def test_an_estimate_has_no_interval() -> None:
    told = Reading(MeterKind.ESTIMATE, 100, 13, 10.0, 1.0, 0, 10**9, bias_uj=5).metered
    assert (told.half_width_uj, told.bias_uj, told.rate_hz) == (None, None, 10.0)
