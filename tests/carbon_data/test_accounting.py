"""Energy and emissions: integration, attribution and sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from carbon_data.accounting import (
    attribute_power,
    break_even_inferences,
    embodied_share_g,
    integrate_power,
    operational_g,
    per_inference_g,
    sci_g_per_unit,
)
from carbon_data.types import DataError, MissingDataError

powers = st.floats(0.0, 1e4)


@given(power_w=powers, seconds=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20))
def test_constant_power_integrates_to_power_times_time(power_w: float, seconds: list[float]) -> None:
    time_s = np.concatenate([[0.0], np.cumsum(seconds)])
    energy_j = integrate_power(time_s, np.full(time_s.size, power_w), max_gap_s=1e4)
    assert energy_j == pytest.approx(power_w * time_s[-1])


@given(power_w=hnp.arrays(float, st.integers(3, 20), elements=powers), cut=st.integers(1, 100))
def test_two_parts_of_a_recording_integrate_to_the_whole(power_w: np.ndarray, cut: int) -> None:
    time_s = np.arange(power_w.size, dtype=float)
    at = 1 + cut % (power_w.size - 2)
    whole = integrate_power(time_s, power_w, max_gap_s=1.0)
    parts = integrate_power(time_s[: at + 1], power_w[: at + 1], max_gap_s=1.0) + integrate_power(
        time_s[at:], power_w[at:], max_gap_s=1.0
    )
    assert parts == pytest.approx(whole)


def test_a_gap_in_a_recording_is_not_interpolated() -> None:
    with pytest.raises(MissingDataError, match=r"between 1\.0 s and 9\.0 s"):
        integrate_power([0.0, 1.0, 9.0], [5.0, 5.0, 5.0], max_gap_s=2.0)


@pytest.mark.parametrize(
    ("time_s", "power_w"),
    [([0.0], [1.0]), ([0.0, 0.0], [1.0, 1.0]), ([0.0, 1.0], [1.0]), ([0.0, 1.0], [1.0, -1.0])],
)
def test_impossible_recordings_are_refused(time_s: list[float], power_w: list[float]) -> None:
    with pytest.raises(DataError):
        integrate_power(time_s, power_w, max_gap_s=10.0)


def test_a_missing_sample_is_not_zero() -> None:
    with pytest.raises(MissingDataError):
        integrate_power([0.0, 1.0], [1.0, float("nan")], max_gap_s=10.0)


def test_one_kwh_at_400_grams_is_400_grams() -> None:
    assert operational_g(3.6e6, 400.0) == pytest.approx(400.0)
    assert operational_g([1.8e6, 1.8e6], [300.0, 500.0], pue=1.5) == pytest.approx(600.0)


@given(
    energy_j=hnp.arrays(float, (3, 4), elements=powers),
    intensity=hnp.arrays(float, (3, 4), elements=st.floats(0, 1000)),
)
def test_grams_add_over_nodes(energy_j: np.ndarray, intensity: np.ndarray) -> None:
    by_node = sum(operational_g(energy_j[i], intensity[i]) for i in range(3))
    assert operational_g(energy_j, intensity) == pytest.approx(by_node)


@given(
    idle_w=powers,
    dynamic_w=hnp.arrays(float, (6, 3), elements=powers),
    active=hnp.arrays(bool, (6, 3)),
    step_s=st.floats(0.1, 1e3),
)
def test_attributed_and_unallocated_make_the_metered_energy(
    idle_w: float, dynamic_w: np.ndarray, active: np.ndarray, step_s: float
) -> None:
    dynamic_w = dynamic_w * active
    split = attribute_power(idle_w, dynamic_w, active, step_s)
    metered_j = (6 * idle_w + dynamic_w.sum()) * step_s
    assert split.total_j == pytest.approx(metered_j)
    assert (split.tasks_j >= 0).all()
    assert split.tasks_j[~active.any(axis=0)].sum() == 0.0
    if active.any(axis=1).all():
        assert split.unallocated_j == 0.0


def test_idle_power_is_shared_by_the_tasks_that_run() -> None:
    split = attribute_power(4.0, [[1.0, 2.0], [1.0, 0.0], [0.0, 0.0]], [[1, 1], [1, 0], [0, 0]], step_s=10.0)
    np.testing.assert_allclose(split.tasks_j, [20.0 + 10.0 + 40.0 + 10.0, 20.0 + 20.0])
    assert split.unallocated_j == 40.0


def test_power_of_a_task_that_does_not_run_is_a_contradiction() -> None:
    with pytest.raises(DataError, match="active is False"):
        attribute_power(1.0, [[1.0]], [[False]], 1.0)


def test_embodied_share_and_sci() -> None:
    year_s = 365 * 86_400.0
    assert embodied_share_g(20_000.0, year_s, 4 * year_s, 0.5) == pytest.approx(2_500.0)
    assert sci_g_per_unit(3.6e6, 400.0, 100.0, 1000) == pytest.approx(0.5)
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(DataError):
            sci_g_per_unit(1.0, 1.0, 0.0, wrong)


@given(
    development_g=st.floats(1e-3, 1e6),
    joules=st.floats(1e-3, 1e3),
    intensity=st.floats(1.0, 1000.0),
    pue=st.floats(1, 2),
)
def test_at_break_even_serving_has_emitted_what_development_did(
    development_g: float, joules: float, intensity: float, pue: float
) -> None:
    count = break_even_inferences(development_g, joules, intensity, pue=pue)
    running_g = per_inference_g(joules, intensity, 0.0, 1.0, pue=pue)
    assert count * running_g == pytest.approx(development_g)
    assert per_inference_g(joules, intensity, development_g, count, pue=pue) == pytest.approx(2 * running_g)
