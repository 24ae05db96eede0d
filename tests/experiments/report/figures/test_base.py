"""A figure of the report: a matplotlib figure with a caption, an alternative text, and its"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from experiments.report.figures.base import spread_labels


@given(st.lists(st.floats(0, 100), min_size=1, max_size=15))
def test_labels_never_overlap_and_keep_their_order(positions: list[float]) -> None:
    moved = spread_labels(positions, 3.0, 0.0)
    by_place = sorted(range(len(moved)), key=lambda k: moved[k])
    assert all(moved[b] - moved[a] >= 3.0 - 1e-6 for a, b in pairwise(by_place))
    assert min(moved) >= -1e-9
    for a in range(len(moved)):
        for b in range(len(moved)):
            if positions[a] < positions[b]:
                assert moved[a] < moved[b]
