"""Power samples on monotonic stamps, integrated by the trapezoid rule in exact integers."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.meters.sampling.integral import GAP_S, Integral, SampleError
from edge_node.meters.sampling.reading import Reading

S = 1_000_000_000
MS = 1_000_000


def reading_of(
    samples: list[tuple[int, int]],
    begin_ns: int,
    end_ns: int,
    rate_hz: float = 1000.0,
    resolution_uw: int = 0,
) -> Reading:
    integral = Integral(rate_hz, resolution_uw)
    begin, end = integral.mark(begin_ns), integral.mark(end_ns)
    for at_ns, power_uw in samples:
        integral.add(at_ns, power_uw)
    return integral.close(begin, end)


def test_trapezoids_by_hand() -> None:
    """2 W, 4 W after 1 s, 4 W after 3 s: 3 J + 8 J; from 0.5 s to 2 s: (2.5 + 4) / 2 ... = 1.75 + 4 J."""
    samples = [(0, 2_000_000), (S, 4_000_000), (3 * S, 4_000_000)]
    assert reading_of(samples, 1, 3 * S, rate_hz=0.5).energy_uj == pytest.approx(11_000_000, abs=1)
    assert reading_of(samples, S // 2, 2 * S, rate_hz=0.5).energy_uj == 1_750_000 + 4_000_000


@given(
    st.lists(st.tuples(st.integers(1, 3 * S), st.integers(0, 10**9)), min_size=6, max_size=40),
    st.lists(st.floats(0.001, 0.999), min_size=2, max_size=5, unique=True),
)
def test_windows_that_touch_add_up_exactly(steps: list[tuple[int, int]], cuts: list[float]) -> None:
    integral, at_ns, samples = Integral(1.0), 0, []
    for step_ns, power_uw in steps:
        at_ns += step_ns
        samples.append((at_ns, power_uw))
    first = samples[0][0]
    edges = sorted({first + 1 + int(cut * (at_ns - first - 1)) for cut in cuts})
    marks = [integral.mark(edge) for edge in edges]
    for sample in samples:
        integral.add(*sample)
    parts = [integral.close(a, b) for a, b in itertools.pairwise(marks)]
    if parts:
        whole = integral.close(marks[0], marks[-1])
        assert sum(part.energy_uj for part in parts) == whole.energy_uj
        assert sum(part.duration_ns for part in parts) == whole.duration_ns
        exact = sum(part.coverage_fraction * part.duration_ns for part in parts) / whole.duration_ns
        assert whole.coverage_fraction == pytest.approx(exact)


def test_the_interval_of_white_noise_covers_and_is_as_wide_as_it_must_be() -> None:
    """Mean of n samples: standard error sigma / sqrt(n); 95 % is 1.96 of them."""
    noise, covered, widths = random.Random(7), 0, []
    for _ in range(200):
        samples = [(k * MS, round(noise.gauss(5e6, 1e6))) for k in range(1002)]
        reading = reading_of(samples, MS, 1001 * MS)
        covered += reading.low_uj <= 5_000_000 <= reading.high_uj
        widths.append(reading.half_width_uj)
    ideal = 1.96 * 1e6 / math.sqrt(1000)
    assert covered >= 188
    assert ideal < sum(widths) / len(widths) < 1.15 * ideal


def test_an_edge_of_a_window_counts_only_what_lies_within() -> None:
    """The interval of half a period is that of half a period, not of the whole."""
    noise = random.Random(3)
    samples = [(k * S, round(noise.gauss(5e6, 1e6))) for k in range(60)]
    whole = reading_of(samples, 50 * S, 51 * S, rate_hz=1.0).half_width_uj
    half = reading_of(samples, 50 * S + S // 4, 50 * S + 3 * S // 4, rate_hz=1.0).half_width_uj
    assert half == pytest.approx(whole / 2, rel=1e-3)
    across = reading_of(samples, 50 * S + S // 2, 51 * S + S // 2, rate_hz=1.0).half_width_uj
    assert across == pytest.approx(whole / math.sqrt(2), rel=0.02)


def test_a_gap_is_bridged_counted_and_makes_the_interval_wider() -> None:
    steady = [(k * MS, 5_000_000 + 1000 * (k % 2)) for k in range(2001)]
    gap = [sample for sample in steady if not 500 * MS < sample[0] < 800 * MS]
    whole, broken = (reading_of(samples, MS, 2000 * MS) for samples in (steady, gap))
    assert (whole.gaps, whole.coverage_fraction) == (0, 1.0)
    assert broken.gaps == 1
    assert broken.coverage_fraction == pytest.approx(1 - 0.3 / 1.999)
    assert broken.energy_uj == pytest.approx(whole.energy_uj, rel=1e-3)
    assert broken.half_width_uj > 2 * whole.half_width_uj
    assert broken.rate_hz == pytest.approx(850, rel=0.01)


def test_a_delayed_read_is_no_gap() -> None:
    late = [(k * MS, 5_000_000 + k % 3) for k in range(1001) if not 100 < k < 100 + GAP_S * 1000]
    assert reading_of(late, MS, 1000 * MS).gaps == 0


def test_a_coarse_sensor_has_the_error_of_its_step() -> None:
    """A step of 0.1 W for 1 s: 0.1 / sqrt(12) J, times 1.98."""
    samples = [(k * MS, 5_000_000) for k in range(1201)]
    reading = reading_of(samples, MS, 1001 * MS, resolution_uw=100_000)
    assert reading.half_width_uj == pytest.approx(1.98 * 1e5 / math.sqrt(12), rel=0.03)
    assert reading.bias_uj == reading.half_width_uj  # a steady load: nothing but the step


def test_a_fine_sensor_that_shows_the_same_for_long_is_stuck() -> None:
    stuck = [(k * MS, 5_000_000) for k in range(1201)]
    with pytest.raises(SampleError, match="stuck"):
        reading_of(stuck, MS, 1101 * MS)
    assert reading_of(stuck[:903], MS, 901 * MS).energy_uj == 4_500_000  # too short to tell
    with pytest.raises(SampleError, match="stuck"):
        reading_of(stuck, 901 * MS, 1101 * MS)  # a short window, and the sensor has been stuck for long
    with pytest.raises(SampleError, match="stuck"):
        reading_of(stuck, MS, 1101 * MS, resolution_uw=5_000)  # a thousandth of what it shows
    moved = [*stuck[:600], (600 * MS, 5_000_001), *stuck[601:]]
    assert reading_of(moved, MS, 1101 * MS).energy_uj == 5_500_000


@pytest.mark.parametrize(("at_ns", "power_uw"), [(2, -1), (1, 5), (0, 5)])
def test_what_no_sensor_can_have_read_is_refused(at_ns: int, power_uw: int) -> None:
    integral = Integral(1.0)
    integral.add(1, 5)
    with pytest.raises(SampleError):
        integral.add(at_ns, power_uw)


def test_a_window_without_samples_around_it_has_no_reading() -> None:
    samples = [(k * MS, 5) for k in range(100)]
    for begin, end in ((50 * MS, 200 * MS), (-5, 50 * MS), (50 * MS, 50 * MS)):
        with pytest.raises(SampleError):
            reading_of(samples, begin, end)
    with pytest.raises(SampleError, match="too few"):
        reading_of(samples[:3], MS, 2 * MS)


def test_edges_are_set_in_order_and_ahead() -> None:
    integral = Integral(1.0)
    integral.add(10, 5)
    with pytest.raises(ValueError, match="not after the last sample"):
        integral.mark(10)
    integral.mark(30)
    with pytest.raises(ValueError, match="in order"):
        integral.mark(20)
