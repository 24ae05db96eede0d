"""What a batch costs by a fitted cost model."""

from __future__ import annotations

import pytest

from edge_node.config import TokenCosts
from edge_node.language.calibrated import calibrated_cost

COSTS = TokenCosts(prefill_j=(0.5, 0.1, 0.002), step_j=(0.01, 0.02, 0.001), watts=4.0)


def test_reading_gives_the_first_token_and_steps_give_the_others() -> None:
    found = calibrated_cost(COSTS, 10, 4, 2)
    assert found is not None
    read = 0.5 + 0.1 * 10 + 0.002 * 50
    steps = sum(0.03 + 0.001 * context for context in (10, 11, 12))
    assert found.joules == pytest.approx(2 * (read + steps))
    assert found.seconds == pytest.approx(found.joules / 4.0)
    reading = calibrated_cost(COSTS, 10, 1, 2)
    assert reading is not None
    assert reading.joules == pytest.approx(2 * read)


def test_a_fit_below_zero_counts_as_zero_and_none_is_none() -> None:
    found = calibrated_cost(TokenCosts(prefill_j=(-9, 0, 0), step_j=(0.1, 0, 0), watts=1), 10, 3, 1)
    assert found is not None
    assert found.joules == pytest.approx(0.2)
    assert calibrated_cost(None, 10, 3, 1) is None
