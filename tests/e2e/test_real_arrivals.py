"""A million requests that arrive as real ones did, through batching and queue: none is lost, none is answered twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from carbon_data.files.folders import data_dir
from edge_node.config import InferenceConfig
from edge_node.serving.arrivals import RequestPlan
from edge_node.serving.queue import Job, available_s, serve
from protos.messages.terms import Stage

TRACES = ("inference/azure_llm_2023_code.csv", "inference/azure_llm_2023_conv.csv")
HOUR_S, MILLION = 3600.0, 1_000_000


def real_arrivals_s() -> np.ndarray:
    """A million, ascending: an hour of two services of a large provider (Azure, 2023), hour after hour."""
    stamps = pd.concat([pd.read_csv(data_dir() / name)["TIMESTAMP"] for name in TRACES])
    times = pd.to_datetime(stamps)
    hour = np.sort((times - times.min()).dt.total_seconds().to_numpy())
    hour = hour[hour < HOUR_S]
    hours = -(-MILLION // len(hour))
    return np.concatenate([k * HOUR_S + hour for k in range(hours)])[:MILLION]


@pytest.mark.parametrize("max_requests", [pytest.param(1, marks=pytest.mark.long), 32])
def test_every_one_of_a_million_real_requests_is_answered_once(max_requests: int) -> None:
    try:
        arrivals = real_arrivals_s()
    except FileNotFoundError:
        pytest.skip(f"no {TRACES[0]} in the data folder")
    slots = int(arrivals[-1] // HOUR_S) + 1
    inference = InferenceConfig.model_construct(
        arrivals="times", times_s=tuple(arrivals.tolist()), requests_per_batch=max_requests, max_wait_s=0.25
    )
    plan = RequestPlan.make(inference, HOUR_S, (Stage.APPLICATION,) * slots, seed=0, index=0)
    assert (plan.arrival_s == arrivals).all()
    assert plan.sizes.sum() == MILLION
    assert [start for start, _ in plan.cuts[1:]] == [stop for _, stop in plan.cuts[:-1]]
    first, free_s, served = 0, 0.0, 0
    for slot, released in enumerate(plan.released):
        jobs = [
            Job(
                "n0", plan.batch_arrivals(batch), 0.02 + 0.005 * int(plan.sizes[batch]), 0, max_requests, 0.25
            )
            for batch in range(first, first + released)
        ]
        ready = available_s(jobs, 1e6, HOUR_S, slot * HOUR_S)
        before_s, outcome = free_s, serve(jobs, ready, free_s)
        for job, latency_s in zip(jobs, outcome.latency_s, strict=True):
            assert len(latency_s) == len(job.arrival_s)
            assert latency_s.min() >= job.service_s - 1e-6
            served += len(latency_s)
        busy_s = sum(job.service_s for job in jobs)
        assert outcome.free_s >= max(before_s, slot * HOUR_S) + busy_s - 1e-3, (
            "work is done in time, not outside it"
        )
        first, free_s = first + released, outcome.free_s
    assert served == MILLION
