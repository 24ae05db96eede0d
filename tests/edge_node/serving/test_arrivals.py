"""Open-loop arrivals and the batches they form, as properties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.config import InferenceConfig
from edge_node.serving.arrivals import RequestPlan, diurnal_rates, poisson
from edge_node.serving.release import cut_batches, dispatch_s
from protos.messages.terms import Stage
from tests.edge_node.serving.arrival_times import ARRIVALS
from tests.edge_node.two_services import inference

SLOT_S = 10.0
STAGES = (Stage.DEVELOPMENT, *[Stage.APPLICATION] * 3, Stage.RECYCLING)


def plan_of(make_config: Any, **inference: Any) -> RequestPlan:
    return RequestPlan.of(make_config(0, stages=STAGES, inference=InferenceConfig(**inference)))


SERVED = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.APPLICATION)


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


@given(st.integers(0, 50), st.floats(0.0, 8.0), st.floats(0.0, 4.0))
def test_a_plan_has_every_request_once_in_its_own_order(seed: int, images: float, words: float) -> None:
    told = inference(images, words)
    plan = RequestPlan.make(told, SLOT_S, SERVED, seed, 0)
    assert plan.sizes.sum() == len(plan.arrival_s)
    assert len(plan.kinds) == len(plan.released_s) == len(plan.cuts) == sum(plan.released)
    for kind, most in ((0, 4), (1, 3)):
        own = [k for k in range(len(plan.cuts)) if plan.kinds[k] == kind]
        numbers = [number for k in own for number in plan.batch_numbers(k)]
        assert numbers == list(range(len(numbers)))
        arrivals = [plan.batch_arrivals(k) for k in own]
        assert all(len(each) <= most for each in arrivals)
        joined = np.concatenate(arrivals) if arrivals else np.empty(0)
        assert np.all(np.diff(joined) >= 0)


def test_a_second_service_changes_nothing_of_the_first_ones_requests() -> None:
    alone = RequestPlan.make(inference(services=()), SLOT_S, SERVED, 7, 2)
    both = RequestPlan.make(inference(), SLOT_S, SERVED, 7, 2)
    first = [both.batch_arrivals(k) for k in range(len(both.cuts)) if both.kinds[k] == 0]
    assert [list(each) for each in first] == [list(alone.batch_arrivals(k)) for k in range(len(alone.cuts))]


def test_any_run_of_batches_holds_the_services_in_their_proportion() -> None:
    """Policies allot batches by number and use their mean cost."""
    plan = RequestPlan.make(inference(40.0, 9.0), SLOT_S, SERVED, 1, 0)
    kinds = np.array(plan.kinds[: plan.released[1]])
    share = kinds.mean()
    assert 0.1 < share < 0.5
    for start in range(0, len(kinds) - 20, 3):
        assert abs(kinds[start : start + 20].sum() - 20 * share) <= 2.0
