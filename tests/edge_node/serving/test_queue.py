"""One board serves batches one after the other: when each is done, and how long its requests took."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.serving.queue import Job, available_s, serve

SLOT_S = 10.0
# --- the board's queue -------------------------------------------------------------------------------------

JOBS = st.lists(
    st.tuples(st.integers(0, 5_000), st.integers(1, 400), st.sampled_from(["own", "n1", "n2"])), max_size=20
)


@given(JOBS, st.integers(0, 3_000))
def test_one_board_serves_first_come_first_served(jobs_ms: list[tuple[int, int, str]], free_ms: int) -> None:
    jobs = [
        Job(owner, np.array([at / 1000.0]), service / 1000.0, 0 if owner == "own" else 1_000, 1, 0.05)
        for at, service, owner in jobs_ms
    ]
    ready = available_s(jobs, 1e4, SLOT_S, 0.0)
    served = serve(jobs, ready, free_ms / 1000.0)
    assert len(served.latency_s) == len(jobs)
    for job, at in zip(jobs, ready, strict=True):
        assert at >= job.arrival_s[0] + (0.1 if job.payload_bytes else 0.0) - 1e-9
    if jobs:
        order = sorted(range(len(jobs)), key=lambda k: (ready[k], k))
        ends = np.array([jobs[k].arrival_s[0] + served.latency_s[k][0] for k in order])
        services = np.array([jobs[k].service_s for k in order])
        assert np.all(np.diff(ends) >= services[1:] - 1e-9)  # one at a time
        assert np.all(ends - services >= np.array([ready[k] for k in order]) - 1e-9)
        assert served.free_s == pytest.approx(ends[-1])


def test_batches_of_one_owner_share_its_link() -> None:
    jobs = [Job("n1", np.zeros(2), 0.1, 1_000, 2, 0.05) for _ in range(3)]
    assert available_s(jobs, 1e3, SLOT_S, 0.0) == pytest.approx([1.0, 2.0, 3.0])


def test_a_batch_put_off_to_a_later_slot_is_served_from_its_beginning() -> None:
    jobs = [Job("n0", np.array([3.0, 3.5]), 0.5, 0, 2, 0.05)]
    served = serve(jobs, available_s(jobs, 6.25e6, SLOT_S, 2 * SLOT_S), 0.0)
    assert list(served.latency_s[0]) == pytest.approx([17.5, 17.0])
