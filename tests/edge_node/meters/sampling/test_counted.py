"""A sensor's own cumulative energy on monotonic stamps."""

from __future__ import annotations

import pytest

from edge_node.meters.sampling.counted import Counted
from edge_node.meters.sampling.integral import SampleError

S = 1_000_000_000


def test_a_counter_loses_nothing_between_reads() -> None:
    """Reads at 0, 1, 5 s (four missed), 6 s; 3 W: from 0.5 s to 5.5 s are 15 J."""
    counted = Counted()
    counted.add(0, 0)
    begin, end = counted.mark(S // 2), counted.mark(5 * S + S // 2)
    for at_s in (1, 5, 6):
        counted.add(at_s * S, at_s * 3_000_000)
    reading = counted.close(begin, end)
    assert (reading.energy_uj, reading.coverage_fraction, reading.gaps) == (15_000_000, 1.0, 0)
    assert reading.rate_hz == pytest.approx(2 / 5)
    assert reading.low_uj < 15_000_000 - 3 * 3_000_000  # what it shows may be four seconds old


def test_a_coarse_counter_has_a_wide_interval() -> None:
    fine, coarse = Counted(resolution_uj=1), Counted(resolution_uj=3_600_000)
    widths = []
    for counted in (fine, coarse):
        counted.add(0, 0)
        begin, end = counted.mark(S), counted.mark(100 * S)
        for at_s in range(1, 101):
            counted.add(at_s * S, at_s * 3_000_000)
        widths.append(counted.close(begin, end).half_width_uj)
    assert widths[1] ** 2 - widths[0] ** 2 == pytest.approx(1.96**2 * 3_600_000**2 / 6, rel=0.01)


def test_a_counter_that_stands_still_is_missing_and_not_zero() -> None:
    counted = Counted()
    counted.add(0, 7)
    begin, end = counted.mark(S), counted.mark(3 * S)
    for at_s in range(1, 5):
        counted.add(at_s * S, 7)
    with pytest.raises(SampleError, match="stood still"):
        counted.close(begin, end)


def test_a_restart_is_a_gap_with_the_mean_of_the_rest() -> None:
    """2 W; the counter begins anew between 4 s and 5 s and shows 0.5 J of that second."""
    counted = Counted()
    counted.add(0, 0)
    begin, end = counted.mark(1), counted.mark(10 * S)
    totals = [2, 4, 6, 8, 8.5, 10.5, 12.5, 14.5, 16.5, 18.5]
    for at_s, total in enumerate(totals, start=1):
        if at_s == 5:
            counted.restarted()
        counted.add(at_s * S, round(total * 1e6))
    reading = counted.close(begin, end)
    assert reading.energy_uj == pytest.approx(20_000_000, rel=1e-6)
    assert reading.coverage_fraction == pytest.approx(0.9)
    assert reading.gaps == 1
    assert reading.low_uj < 18_500_000


def test_totals_and_stamps_rise() -> None:
    counted = Counted()
    counted.add(5, 10)
    for at_ns, total in ((5, 11), (6, 9)):
        with pytest.raises(SampleError, match="both rise"):
            counted.add(at_ns, total)
    with pytest.raises(ValueError, match="not after"):
        counted.mark(5)


def test_a_window_that_no_reads_enclose_has_no_reading() -> None:
    counted = Counted()
    begin, end = counted.mark(1), counted.mark(5)
    counted.add(2, 0)
    counted.add(6, 9)
    with pytest.raises(SampleError, match="not enclosed"):
        counted.close(begin, end)
