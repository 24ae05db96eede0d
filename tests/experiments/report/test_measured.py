"""Intervals of sums of metered lines."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from experiments.report.measured import measured
from tests.experiments.report.by_hand import LINES, line


def sensed(
    slot: int, node: str, energy_j: float, half_j: float, bias_j: float, grams: float
) -> dict[str, Any]:
    known = line(slot, node, "A", "development", "compute", energy_j, energy_j, grams, "measured")
    return known | {"energy_j": energy_j, "half_width_j": half_j, "bias_j": bias_j}


TWO_NODES = pd.DataFrame(
    [
        sensed(0, "n0", 10.0, 0.3, 0.0, 4.0),
        sensed(0, "n0", 30.0, 0.9, 0.0, 0.0),
        sensed(1, "n0", 40.0, 1.6, 0.0, 8.0),
        sensed(0, "n1", 50.0, 2.0, 2.0, 5.0),
        sensed(1, "n1", 50.0, 2.0, 2.0, 5.0),
        line(0, "network", "A", "development", "network", 1e6, 1e6, 7.0),
    ]
)
"""n0: noise alone, its first window in two lines. n1: nothing but a step. The network: modelled, no interval."""


def test_lines_of_a_window_err_together_windows_by_their_model_and_nodes_independently() -> None:
    found = measured(TWO_NODES)
    assert found is not None
    assert found.amount == 180.0
    noise, step = (1.2**2 + 1.6**2) ** 0.5, 4.0
    assert found.half_width == pytest.approx((noise**2 + step**2) ** 0.5)
    assert found.text == "180\u202fJ ± 4.5\u202fJ"


def test_grams_err_as_the_joules_they_are_of() -> None:
    """Of n0 the second line emits nothing: the other lines err by 3 % of 4 g and by 4 % of 8 g."""
    found = measured(TWO_NODES, "operational_g")
    assert found is not None
    assert found.amount == 22.0
    assert found.half_width == pytest.approx((0.12**2 + 0.32**2 + 0.4**2) ** 0.5)


def test_modelled_lines_have_none() -> None:
    assert measured(pd.DataFrame(LINES)) is None  # of a version before
    assert measured(pd.DataFrame(LINES).assign(half_width_j=pd.NA, bias_j=pd.NA)) is None
