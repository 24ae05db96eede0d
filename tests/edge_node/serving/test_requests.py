"""The application stage's workload: batches of the size that arrived, time-stamped, of one service or several."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edge_node.config import NodeConfig
from edge_node.serving.arrivals import RequestPlan
from edge_node.serving.requests import ARRIVAL, RequestWorkload, mean_cost, service_of
from edge_node.slots.parcels import pack
from edge_node.workload import WorkCost
from protos.messages.terms import Stage
from tests.edge_node.two_services import Images, inference, two_services

SERVED = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.APPLICATION)
SLOT_S = 10.0
MakeConfig = Callable[..., NodeConfig]


def test_the_mean_cost_is_that_of_all_batches() -> None:
    plans = [RequestPlan.make(inference(), SLOT_S, SERVED, seed, 0) for seed in (1, 2)]
    found = mean_cost(plans, [WorkCost(500.0, 50), WorkCost(9000.0, 9)], [5, 3])
    flop = sum(
        size * (100.0, 3000.0)[kind]
        for plan in plans
        for kind, size in zip(plan.kinds, plan.sizes, strict=True)
    )
    assert found.flop_per_batch == pytest.approx(flop / sum(len(plan.kinds) for plan in plans))


def test_batches_hold_the_requests_of_their_service_and_say_which(make_config: MakeConfig) -> None:
    workload = two_services(make_config)
    seen = []
    for k, kind in enumerate(workload.plan.kinds):
        batch = workload.batch(k, Stage.APPLICATION)
        assert service_of(batch) == kind
        assert np.array_equal(batch[ARRIVAL], workload.plan.batch_arrivals(k))
        assert ("tokens" in batch) == (kind == 1)
        seen += list(batch["tokens"][:, 0]) if kind else []
    assert seen == list(range(len(seen)))


def test_one_service_alone_travels_as_before(make_config: MakeConfig) -> None:
    workload = two_services(make_config)
    own = [k for k in range(12) if workload.plan.kinds[k] == 0]
    parcel = pack(
        run_id="run",
        epoch=1,
        slot=1,
        owner="n0",
        executor="n1",
        batch_ids=own,
        batches=[workload.batch(k, Stage.APPLICATION) for k in own],
    )
    assert parcel.batch_services == ()
    assert {tensor.name for tensor in parcel.tensors} == {"x", ARRIVAL}


def test_a_node_wants_as_many_services_as_it_is_told_of(make_config: MakeConfig) -> None:
    config = make_config(0, stages=SERVED, inference=inference())
    with pytest.raises(ValueError, match="0 further services are built, 1 are configured"):
        RequestWorkload(Images(), RequestPlan.of(config))
