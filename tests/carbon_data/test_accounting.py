"""Energy and emissions: sums and shares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from carbon_data.accounting import (
    break_even_inferences,
    embodied_share_g,
    operational_g,
    per_inference_g,
    sci_g_per_unit,
)
from carbon_data.types import DataError, MissingDataError

powers = st.floats(0.0, 1e4)


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


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda bad: operational_g(bad, 3.0), "energy_j"),
        (lambda bad: operational_g([1.0, bad], 3.0), "energy_j"),
        (lambda bad: operational_g(1.0, bad), "intensity_g_per_kwh"),
        (lambda bad: operational_g(1.0, 3.0, pue=bad), "pue"),
        (lambda bad: embodied_share_g(bad, 1.0, 2.0), "total_embodied_g"),
        (lambda bad: embodied_share_g(1.0, bad, 2.0), "reserved_s"),
        (lambda bad: sci_g_per_unit(bad, 1.0, 1.0, 1.0), "energy_j"),
        (lambda bad: sci_g_per_unit(1.0, bad, 1.0, 1.0), "intensity_g_per_kwh"),
        (lambda bad: sci_g_per_unit(1.0, 1.0, bad, 1.0), "embodied_g"),
        (lambda bad: per_inference_g(bad, 1.0, 1.0, 1.0), "energy_j"),
        (lambda bad: per_inference_g(1.0, bad, 1.0, 1.0), "intensity_g_per_kwh"),
        (lambda bad: per_inference_g(1.0, 1.0, bad, 1.0), "one_time_g or embodied_g_per_inference"),
        (
            lambda bad: per_inference_g(1.0, 1.0, 1.0, 1.0, embodied_g_per_inference=bad),
            "one_time_g or embodied_g_per_inference",
        ),
        (lambda bad: per_inference_g(1.0, 1.0, 1.0, 1.0, pue=bad), "pue"),
        (lambda bad: break_even_inferences(bad, 1.0, 1.0), "development_g"),
        (lambda bad: break_even_inferences(1.0, bad, 1.0), "energy_j"),
        (lambda bad: break_even_inferences(1.0, 1.0, bad), "intensity_g_per_kwh"),
        (lambda bad: break_even_inferences(1.0, 1.0, 1.0, pue=bad), "pue"),
    ],
)
def test_what_is_no_quantity_is_refused_by_name(call: Callable[[float], float], name: str) -> None:
    for bad in (NAN, INF):
        with pytest.raises(MissingDataError, match=f"^{name} holds a value that is not finite"):
            call(bad)
    least = "1.0" if name == "pue" else "0.0"
    with pytest.raises(DataError, match=f"^{name} holds -0.5; allowed is {least} or more"):
        call(-0.5)


@pytest.mark.parametrize("bad", [0.0, -1.0, NAN, INF])
def test_what_is_divided_by_is_finite_and_above_zero(bad: float) -> None:
    for call, name in (
        (lambda: embodied_share_g(1.0, 1.0, bad), "expected_life_s"),
        (lambda: sci_g_per_unit(1.0, 1.0, 1.0, bad), "functional_units"),
        (lambda: per_inference_g(1.0, 1.0, 1.0, bad), "lifetime_inferences"),
    ):
        with pytest.raises(DataError, match=f"^{name} is {bad}; allowed is a finite value > 0"):
            call()


def test_ends_of_what_is_allowed() -> None:
    assert operational_g(0.0, 0.0, pue=1.0) == 0.0
    assert embodied_share_g(10.0, 1.0, 4.0) == 2.5
    assert embodied_share_g(10.0, 1.0, 0.5, 1.0) == 20.0
    assert embodied_share_g(10.0, 1.0, 4.0, 0.0) == 0.0
    for bad in (-0.01, 1.01):
        with pytest.raises(DataError, match=f"resources_fraction is {bad}; allowed is 0..1"):
            embodied_share_g(1.0, 1.0, 1.0, bad)
    for bad_pue in (0.5, 0.999):
        with pytest.raises(DataError, match="pue holds"):
            operational_g(1.0, 1.0, pue=bad_pue)
    with pytest.raises(DataError, match="an inference emits 0 g here"):
        break_even_inferences(1.0, 0.0, 100.0)
    assert sci_g_per_unit(3.6e6, 40.0, 2.0, 0.5) == pytest.approx(84.0)


def test_each_term_of_an_inference_by_hand() -> None:
    """7.2 kJ at 250 g/kWh, PUE 1.2: 0.6 g; 30 g over 100 inferences: 0.3 g; 0.05 g embodied."""
    assert per_inference_g(7_200.0, 250.0, 30.0, 100.0) == pytest.approx(0.5 + 0.3)
    assert per_inference_g(
        7_200.0, 250.0, 30.0, 100.0, embodied_g_per_inference=0.05, pue=1.2
    ) == pytest.approx(0.6 + 0.3 + 0.05)
    assert break_even_inferences(30.0, 7_200.0, 250.0) == pytest.approx(60.0)
    assert break_even_inferences(30.0, 7_200.0, 250.0, pue=1.2) == pytest.approx(50.0)
