"""Energy and emissions: sums and shares."""

from __future__ import annotations

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
from carbon_data.types import DataError

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
