"""What a calibration has read."""

from __future__ import annotations

import pytest

from edge_node.calibration.reading import apart, power_of
from edge_node.meters.sampling.reading import Reading
from protos.messages.terms import MeterKind
from tests.edge_node.calibration.powers import power


def test_the_mean_power_of_a_window() -> None:
    found = power_of("idle", Reading(MeterKind.POWER, 6_000_000, 30_000, 99.0, 0.98, 1, 3_000_000_000))
    assert (found.power_w, found.half_width_w, found.duration_s) == (2.0, pytest.approx(0.01), 3.0)
    assert found.text == "idle: 2 W +- 0.01 W, 3 s at 99 samples per second, 98.0% covered"


def test_an_estimate_has_no_interval() -> None:
    found = power_of("idle", Reading(MeterKind.ESTIMATE, 6_000_000, 30_000, 10.0, 1.0, 0, 3_000_000_000))
    assert (found.half_width_w, found.low_w, found.high_w) == (None, 2.0, 2.0)
    assert "no interval: an estimate" in found.text


def test_powers_are_apart_by_more_than_both_intervals() -> None:
    assert apart(power("b", 2.06, 0.03), power("a", 2.0, 0.04))
    assert not apart(power("b", 2.04, 0.03), power("a", 2.0, 0.04))
    assert not apart(power("a", 2.0), power("b", 3.0))
