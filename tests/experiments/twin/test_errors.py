"""Errors of sums of windows, by hand."""

from __future__ import annotations

import pytest

from experiments.twin.errors import ALL, by_line, by_node_and_activity, errors_of
from tests.experiments.twin.made import window


def test_a_node_s_windows_add_up_as_one_sensor_and_nodes_as_several() -> None:
    """Of a node: noise 26 mJ a window, twice; step 15 mJ, twice. Of two nodes: squares add up."""
    own = [window(slot=slot) for slot in range(2)]
    half_j = (2 * (0.03**2 - 0.015**2) + (2 * 0.015) ** 2) ** 0.5
    assert errors_of(own).half_width_j == pytest.approx(half_j)
    both = errors_of([*own, *(window("n1", slot) for slot in range(2))])
    assert both.half_width_j == pytest.approx(half_j * 2**0.5)
    assert (both.measured_j, both.twin_j, both.windows) == (12.0, 12.24, 4)
    assert both.error_fraction == pytest.approx(0.02)
    assert (both.within, both.inside, both.judged) == (False, 0, 4)
    assert (both.window_error_fraction, both.window_within) == (0.0, True)
    assert both.time_error_fraction == pytest.approx(0.02)


def test_errors_of_both_signs_cancel_in_the_sum_and_not_in_the_mean() -> None:
    found = errors_of([window(twin_uj=3_300_000), window(slot=1, twin_uj=2_700_000)])
    assert found.error_fraction == pytest.approx(0.0)
    assert found.within is True
    assert found.mean_absolute_error_fraction == pytest.approx(0.1)


def test_the_interval_counts_to_its_end() -> None:
    assert errors_of([window(twin_uj=3_030_000)]).within is True
    assert errors_of([window(twin_uj=3_030_001)]).within is False


def test_a_sum_with_a_part_that_is_not_known_is_not_known() -> None:
    found = errors_of([window(), window(slot=1, half_width_uj=None, bias_uj=None, window_s=None)])
    assert (found.half_width_j, found.within, found.window_within) == (None, None, None)
    assert (found.window_s, found.time_error_fraction) == (None, None)
    assert (found.judged, found.inside_fraction) == (1, 0.0)
    assert (found.busy_s, found.twin_busy_s, found.busy_error_fraction) == (None, None, None)


def test_seconds_are_compared_with_those_of_the_same_windows() -> None:
    found = errors_of([window(busy_s=0.4), window(slot=1), window(slot=2, wake_s=2.0, twin_wake_s=1.5)])
    assert (found.busy_s, found.twin_busy_s) == (0.4, 0.5)
    assert found.busy_error_fraction == pytest.approx(0.25)
    assert (found.wakes, found.wake_s, found.twin_wake_s) == (1, 2.0, 1.5)


def test_rows_go_by_node_then_activity_with_sums_at_the_end() -> None:
    rows = by_node_and_activity([window("n1", activity="idle"), window("n0"), window("n1", 1)])
    assert [(row.node_id, row.activity) for row in rows] == [
        ("n1", "development"),
        ("n1", "idle"),
        ("n1", ALL),
        ("n0", "development"),
        ("n0", ALL),
        (ALL, "development"),
        (ALL, "idle"),
        (ALL, ALL),
    ]


def test_lines_of_either_side_are_rows() -> None:
    told = window(
        lines={("development", "compute"): 2_000_000}, twin_lines={("unallocated", "static"): 1_000_000}
    )
    rows = by_line([told, told])
    assert [(row.stage, row.component, row.measured_j, row.twin_j) for row in rows] == [
        ("development", "compute", 4.0, 0.0),
        ("unallocated", "static", 0.0, 2.0),
    ]
