"""Costs of reading and writing are found again, and the error is that of other measurements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.language.step_cost import Prefill, Step, fit_prefill, fit_step

COST = st.floats(1e-6, 1.0)


@given(COST, COST, st.floats(1e-9, 1e-3))
def test_exact_costs_of_reading(a: float, b: float, c: float) -> None:
    found = fit_prefill([Prefill(n, a + b * n + c * n**2 / 2) for n in (16, 32, 64, 128, 256, 512)])
    assert found.held_out == 3
    assert found.worst_error_fraction == pytest.approx(0.0, abs=1e-5)


@given(COST, COST, st.floats(1e-9, 1e-3))
def test_exact_costs_of_writing(a: float, b: float, c: float) -> None:
    grid = [(many, context) for many in (1, 2, 4, 8) for context in (64, 256, 1024)]
    found = fit_step([Step(many, context, a + b * many + c * many * context) for many, context in grid])
    assert found.worst_error_fraction == pytest.approx(0.0, abs=1e-5)


def test_too_few_or_impossible_measurements() -> None:
    with pytest.raises(ValueError, match="at least 6"):
        fit_prefill([Prefill(16, 1.0)] * 5)
    with pytest.raises(ValueError, match="allowed is > 0"):
        fit_step([Step(1, 16, 0.0)] * 6)
