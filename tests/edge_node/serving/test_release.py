"""Which requests share a batch and when it is released, as properties of the three rules."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.config import Batching
from edge_node.serving.release import group

SLOT_S = 6.0
RULES = get_args(Batching)
REQUESTS = st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 4_000)), max_size=40).map(
    lambda rows: np.array(sorted(rows), dtype=float).reshape(-1, 2) / 1000.0
)
"""(announced, seconds over the link) of each request."""


@pytest.mark.parametrize("rule", RULES)
@given(REQUESTS, st.integers(1, 6), st.integers(0, 2_000))
def test_no_request_is_lost_and_none_waits_beyond_its_bound(
    rule: Batching, requests: np.ndarray, most: int, wait_ms: int
) -> None:
    announced_s, there_s, wait_s = requests[:, 0], requests.sum(axis=1), wait_ms / 1000.0
    found = group(rule, announced_s, there_s, most, wait_s, SLOT_S)
    assert sorted(place for each in found for place in each.members) == list(range(len(requests)))
    assert [each.release_s for each in found] == sorted(each.release_s for each in found)
    for each in found:
        own = there_s[each.members]
        assert len(own) <= (1 if rule == "alone" else most)
        assert list(each.members) == sorted(each.members)
        assert each.release_s >= own.max()  # no batch begins without its prompts
        if rule == "fixed":
            assert each.release_s <= max(own.max(), announced_s[each.members[0]] + wait_s) + 1e-9
        else:
            assert each.release_s <= own.min() + (wait_s if rule == "link" else 0.0) + 1e-9


@given(REQUESTS, st.integers(1, 6), st.integers(0, 2_000))
def test_a_batch_by_links_waits_only_for_prompts_that_are_on_their_way(
    requests: np.ndarray, most: int, wait_ms: int
) -> None:
    announced_s, there_s = requests[:, 0], requests.sum(axis=1)
    for each in group("link", announced_s, there_s, most, wait_ms / 1000.0, SLOT_S):
        came = np.sort(there_s[each.members])
        for before, after in pairwise(came):
            waited_for = (
                (announced_s <= before) & (there_s >= after) & (there_s <= came[0] + wait_ms / 1000.0)
            )
            assert waited_for.any()


def test_one_slow_link_holds_up_its_own_request_alone() -> None:
    announced_s, there_s = np.array([0.0, 0.1, 0.2]), np.array([0.3, 5.0, 0.4])
    together = group("fixed", announced_s, there_s, 3, 1.0, SLOT_S)
    assert [(list(each.members), each.release_s) for each in together] == [([0, 1, 2], 5.0)]
    by_link = group("link", announced_s, there_s, 3, 1.0, SLOT_S)
    assert [(list(each.members), each.release_s) for each in by_link] == [([0, 2], 0.4), ([1], 5.0)]


def test_requests_that_are_there_at_once_wait_for_nobody_by_links() -> None:
    announced_s = np.array([0.0, 0.2, 0.2, 0.9])
    found = group("link", announced_s, announced_s, 3, 1.0, SLOT_S)
    assert [list(each.members) for each in found] == [[0], [1, 2], [3]]
