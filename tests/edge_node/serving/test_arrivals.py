"""Open-loop arrivals and the batches they form, as properties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.config import InferenceConfig
from edge_node.serving.arrivals import RequestPlan, cut_batches, dispatch_s, diurnal_rates, poisson
from edge_node.serving.batching import Batcher
from edge_node.serving.queue import Job, available_s, serve
from protos.messages.terms import Stage

SLOT_S = 10.0
ARRIVALS = st.lists(st.integers(0, 5_000), max_size=60).map(lambda ms: np.sort(np.array(ms)) / 1000.0)
STAGES = (Stage.DEVELOPMENT, *[Stage.APPLICATION] * 3, Stage.RECYCLING)


@given(ARRIVALS, st.integers(1, 8), st.integers(0, 1_000))
def test_batching_conserves_requests_in_order_and_keeps_the_limits(
    arrivals: np.ndarray, most: int, wait_ms: int
) -> None:
    wait_s = wait_ms / 1000.0
    cuts = cut_batches(arrivals, most, wait_s)
    assert [k for start, stop in cuts for k in range(start, stop)] == list(range(len(arrivals)))
    for start, stop in cuts:
        own = arrivals[start:stop]
        assert 1 <= len(own) <= most
        closed = dispatch_s(own, most, wait_s, SLOT_S)
        assert own[-1] <= closed <= own[0] + wait_s + 1e-9
        if len(own) < most and stop < len(arrivals):
            assert arrivals[stop] > own[0] + wait_s  # every request that arrived in time is in the batch


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


@settings(max_examples=30)
@given(st.integers(0, 1_000), st.floats(0.1, 50.0))
def test_poisson_arrivals_repeat_by_seed_and_lie_in_the_slot(seed: int, rate: float) -> None:
    one, two = (poisson(rate, SLOT_S, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(one, two)
    assert np.all(np.diff(one) >= 0)
    assert len(one) == 0 or (one[0] >= 0 and one[-1] < SLOT_S)


def test_poisson_has_the_mean_and_variance_of_its_rate() -> None:
    random = np.random.default_rng(1)
    counts = np.array([len(poisson(20.0, SLOT_S, random)) for _ in range(2_000)])
    assert counts.mean() == pytest.approx(200.0, abs=4 * (200 / 2_000) ** 0.5)
    assert counts.var() == pytest.approx(200.0, rel=0.15)


def test_diurnal_rates_keep_their_mean_and_peak() -> None:
    hours = np.arange(24) + 0.5
    rates = diurnal_rates(10.0, tuple(hours), peak_hour=20.5, depth_fraction=0.8)
    assert np.mean(rates) == pytest.approx(10.0)
    assert int(np.argmax(rates)) == 20
    assert min(rates) == pytest.approx(2.0)


def plan_of(make_config: Any, **inference: Any) -> RequestPlan:
    return RequestPlan.of(make_config(0, stages=STAGES, inference=InferenceConfig(**inference)))


def test_a_plan_covers_the_application_slots_and_no_others(make_config: Any) -> None:
    plan = plan_of(
        make_config, arrivals="poisson", rate_per_s=(5.0,) * 5, requests_per_batch=4, max_wait_s=0.3
    )
    assert plan.released[0] == plan.released[4] == 0
    assert all(count > 0 for count in plan.released[1:4])
    assert plan.sizes.sum() == len(plan.arrival_s) == plan.requests_in(range(sum(plan.released)))
    firsts = np.cumsum([0, *plan.released])
    for slot in (1, 2, 3):
        for batch in range(firsts[slot], firsts[slot + 1]):
            assert np.all(np.floor(plan.batch_arrivals(batch) / SLOT_S) == slot)


def test_nodes_and_seeds_have_arrivals_of_their_own(make_config: Any) -> None:
    load = InferenceConfig(arrivals="poisson", rate_per_s=(5.0,) * 5)
    plans = [RequestPlan.of(make_config(k, stages=STAGES, inference=load)) for k in (0, 0, 1)]
    assert np.array_equal(plans[0].arrival_s, plans[1].arrival_s)
    assert not np.array_equal(plans[0].arrival_s[:10], plans[2].arrival_s[:10])


def test_a_trace_is_served_as_it_is(make_config: Any) -> None:
    plan = plan_of(make_config, arrivals="times", times_s=(10.0, 10.1, 15.0, 25.0, 55.0), max_wait_s=0.5)
    assert plan.released == (0, 2, 1, 0, 0)  # arrivals after the last application slot are not served
    assert [list(plan.batch_arrivals(k)) for k in range(3)] == [[10.0, 10.1], [15.0], [25.0]]


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
