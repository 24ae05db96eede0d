"""Two-sided 95 % quantile of Student's t."""

from __future__ import annotations

import pytest
from scipy.stats import t

from edge_node.meters.sampling.student import quantile_95


@pytest.mark.parametrize("dof", [1, 1.2, 2.67, 7, 12.5, 26.7, 80, 1e4])
def test_quantiles_are_never_too_narrow(dof: float) -> None:
    assert 0.999 < quantile_95(dof) / t.ppf(0.975, dof) < 1.09


def test_less_than_one_degree_counts_as_one() -> None:
    assert quantile_95(0.3) == quantile_95(1.0) > 12
