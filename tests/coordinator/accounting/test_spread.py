"""Whole amounts split in proportion, exactly: shares of joules, picograms and batches."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.accounting.spread import spread


@given(st.integers(0, 10**15), st.lists(st.integers(0, 10**12), min_size=1, max_size=20))
def test_spread_is_exact_and_in_proportion(total: int, weights: list[int]) -> None:
    if sum(weights) == 0:
        if total:
            with pytest.raises(ValueError, match="sum to 0"):
                spread(total, weights)
        return
    shares = spread(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(total * weight, sum(weights))) < 1
        assert share == 0 or weight > 0


def test_spread_refuses_negative_quantities() -> None:
    with pytest.raises(ValueError, match="allowed are values >= 0"):
        spread(-1, [1])
    with pytest.raises(ValueError, match="allowed are values >= 0"):
        spread(1, [2, -1])


def test_remainders_by_hand() -> None:
    """10 over 1, 1, 1: the one left over goes to the first; over 3, 5, 0: 3.75 and 6.25; 7 over 2, 2, 3: 2, 2, 3."""
    assert spread(10, [1, 1, 1]) == [4, 3, 3]
    assert spread(10, [3, 5, 0]) == [4, 6, 0]
    assert spread(7, [2, 2, 3]) == [2, 2, 3]
    assert spread(11, [1, 1, 1]) == [4, 4, 3]
    assert spread(0, [0, 0]) == [0, 0]
    assert spread(0, []) == []
    with pytest.raises(ValueError, match=r"^3 to spread, but the weights sum to 0$"):
        spread(3, [0, 0])
    with pytest.raises(
        ValueError, match=r"^spread of -1 over \[1, 2, 3, 4, 5, 6, 7, 8\]: allowed are values >= 0$"
    ):
        spread(-1, [1, 2, 3, 4, 5, 6, 7, 8, 9])
