"""Fig. 5: none, DET, DAT, DETA against the number of servers; and the surface of DETA's reduction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.report.stats import estimate
from experiments.studies.fei import fig5
from experiments.studies.fei.claims.markets import contour
from tests.experiments.studies.fei.table_rows import surface


def test_panels_between_which_the_reduction_is_reached() -> None:
    means = surface({"strict": (0.85, 0.85)})
    part = fig5.within_caps(means, sleep=False)
    assert fig5.panels_around(part, "grid", 0.749) == (10.0, 20.0)
    assert fig5.panels_around(part, "grid", 0.9) is None
    assert fig5.panels_around(part, "grid", 0.1) == (None, 10.0)
    assert "between 10 and 20 W of panel (harvest 0.33 to 0.67 times demand)" in contour(part, "grid")


@pytest.mark.parametrize(
    ("plan", "bound", "text"),
    [(0.8, 0.8, "80.0"), (0.8, 0.82, "80.0 to 82.0"), (0.6, 0.95, "undecided: between 60.0")],
)
def test_a_reduction_says_how_far_it_is_known(plan: float, bound: float, text: str) -> None:
    point = {"against_grid_fraction": plan, "against_grid_bound_fraction": bound}
    point |= {"grid_low_fraction": 0.5, "grid_bound_high_fraction": 0.99}
    assert fig5.known(point, "grid").startswith(text)
    assert "[50.0, 99.0]" in fig5.known(point, "grid")


@given(st.lists(st.floats(-0.5, 1.0), min_size=2, max_size=20))
def test_no_interval_of_a_reduction_passes_all(values: list[float]) -> None:
    found = fig5.reduction(values)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.mean + 1e-12
    assert found.mean - 1e-12 <= found.high <= 1.0


def test_an_interval_of_a_reduction_far_from_all_is_that_of_student() -> None:
    values = [0.20, 0.21, 0.19, 0.22, 0.18]
    found, plain = fig5.reduction(values), estimate(values)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high), abs=1e-3)
