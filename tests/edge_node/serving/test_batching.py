"""Dynamic batching of requests whose future is not known: first come, first served, none waits for others"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.serving.batching import Batcher
from edge_node.serving.release import cut_batches
from tests.edge_node.serving.arrival_times import ARRIVALS


@given(ARRIVALS, st.integers(1, 8), st.integers(0, 1_000))
def test_the_online_batcher_cuts_as_the_known_arrivals_are_cut(
    arrivals: np.ndarray, most: int, wait_ms: int
) -> None:
    """An idle server that is polled at every event gives the batches of ``cut_batches``."""
    wait_s = wait_ms / 1000.0
    batcher: Batcher[int] = Batcher(most, wait_s, 10_000)
    batches: list[list[int]] = []

    def until(now_s: float, inclusive: bool) -> None:
        while (due := batcher.due_s()) is not None and (due < now_s or (inclusive and due <= now_s)):
            batches.append([waiting.item for waiting in batcher.take(due)])

    for k, at in enumerate(arrivals):
        until(float(at), inclusive=False)
        batcher.add(k, 1, "kind", float(at))
        if batcher.queued >= most:
            batches.append([waiting.item for waiting in batcher.take(float(at))])
    until(np.inf, inclusive=True)
    assert batches == [list(range(*cut)) for cut in cut_batches(arrivals, most, wait_s)]


REQUESTS = st.lists(st.tuples(st.integers(1, 4), st.sampled_from("ab"), st.integers(0, 50)), max_size=30)


@given(REQUESTS, st.integers(4, 8), st.integers(0, 100))
def test_the_batcher_serves_every_request_once_and_each_kind_in_order(
    requests: list[tuple[int, str, int]], most: int, wait: int
) -> None:
    batcher: Batcher[int] = Batcher(most, float(wait), 1_000)
    now, served = 0.0, []
    for k, (examples, kind, gap) in enumerate(requests):
        now += gap
        batcher.add(k, examples, kind, now)
        while batch := batcher.take(now):
            served.append(batch)
    while (due := batcher.due_s()) is not None:
        now = max(now, due)
        served.append(batcher.take(now))
    assert sorted(waiting.item for batch in served for waiting in batch) == list(range(len(requests)))
    assert batcher.queued == 0
    for batch in served:
        assert len({waiting.kind for waiting in batch}) == 1
        assert sum(waiting.examples for waiting in batch) <= most
    for kind in "ab":
        order = [waiting.item for batch in served for waiting in batch if waiting.kind == kind]
        assert order == sorted(order)


def test_the_batcher_refuses_what_does_not_fit() -> None:
    batcher: Batcher[str] = Batcher(4, 1.0, 6)
    with pytest.raises(ValueError, match="1 to 4"):
        batcher.add("large", 5, "a", 0.0)
    batcher.add("x", 4, "a", 0.0)
    assert not batcher.has_room(3)
    with pytest.raises(ValueError, match="6 may"):
        batcher.add("y", 3, "a", 0.0)
