"""Several services in one application stage: plans, batches, parcels and a node's counts keep them apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_node.config import InferenceConfig, NodeConfig, ServiceConfig, TaskConfig
from edge_node.meters.registry import build_meter
from edge_node.serving.arrivals import RequestPlan
from edge_node.serving.requests import ARRIVAL, RequestWorkload, mean_cost, service_of
from edge_node.slots.node import EdgeNode
from edge_node.slots.parcels import ParcelError, pack, payload_bytes, unpack
from edge_node.workload import Arrays, InferResult, Parameters, UserBytes, WorkCost
from protos import codec
from protos.messages.parcels import Parcel
from protos.messages.slot import CloseSlot, Decision, EnergyGrant, Guest, Send, Usage
from protos.messages.stream import Welcome
from protos.messages.terms import Stage

STAGES = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.APPLICATION)
SLOT_S = 10.0
WORDS = TaskConfig(
    name="words", batch_size=1, batches_per_slot=1, learning_rate=1.0, partitions=1, partition_index=0
)


def inference(rate_per_s: float = 3.0, words_per_s: float = 1.0, **changes: Any) -> InferenceConfig:
    words = ServiceConfig(
        name="words",
        task=WORDS,
        rate_per_s=(words_per_s,) * 3,
        requests_per_batch=3,
        max_wait_s=1.5,
        latency_target_s=4.0,
    )
    told: dict[str, Any] = {
        "arrivals": "poisson",
        "rate_per_s": (rate_per_s,) * 3,
        "requests_per_batch": 4,
        "max_wait_s": 0.5,
        "services": (words,),
    }
    return InferenceConfig(**{**told, **changes})


class Images:
    """The learned task: answers of 3 byte each, and no tokens."""

    num_examples = num_batches = 1
    digest = "1" * 64

    def cost(self, stage: str) -> WorkCost:
        return WorkCost(flop_per_batch=5 * 2e4, bytes_per_batch=5 * 4)

    def batch(self, batch_id: int, stage: str) -> Arrays:
        return {"x": np.arange(5 * batch_id, 5 * batch_id + 5, dtype=np.int32)}

    def user_bytes(self, batch: Arrays, stage: str) -> UserBytes:
        n = len(next(iter(batch.values())))
        return UserBytes(2 * n, n)

    def prepare(self, batches: Sequence[Arrays]) -> float:
        return 0.0

    def train(self, parameters: Parameters, batches: Sequence[Arrays], options: Any) -> Any:
        raise AssertionError("not in these slots")

    def infer(self, parameters: Parameters, batches: Sequence[Arrays]) -> InferResult:
        assert set(parameters) == {"w"}
        (batch,) = batches
        n = len(batch["x"])
        return InferResult(n, 24 * n, n, 1, 2e4 * n)


class Words(Images):
    """A service that generates: five tokens in, two out a request; eleven times the work of an image."""

    digest = "0" * 64

    def cost(self, stage: str) -> WorkCost:
        return WorkCost(flop_per_batch=7 * 2.2e5, bytes_per_batch=7 * 5)

    def batch(self, batch_id: int, stage: str) -> Arrays:
        return {
            "tokens": np.arange(7 * batch_id, 7 * batch_id + 7, dtype=np.uint8)[:, None].repeat(5, axis=1)
        }

    def user_bytes(self, batch: Arrays, stage: str) -> UserBytes:
        n = len(next(iter(batch.values())))
        return UserBytes(5 * n, 2 * n)

    def infer(self, parameters: Parameters, batches: Sequence[Arrays]) -> InferResult:
        assert set(parameters) == {"words"}
        (batch,) = batches
        assert set(batch) == {"tokens"}
        n = len(batch["tokens"])
        return InferResult(n, 56 * n, 0, 1, 2.2e5 * n, 5 * n, 2 * n, 1e5 * n)


MODEL: Parameters = {"words": np.zeros(1, dtype=np.float32)}
MakeConfig = Callable[..., NodeConfig]


@given(st.integers(0, 50), st.floats(0.0, 8.0), st.floats(0.0, 4.0))
def test_a_plan_has_every_request_once_in_its_own_order(seed: int, images: float, words: float) -> None:
    told = inference(images, words)
    plan = RequestPlan.make(told, SLOT_S, STAGES, seed, 0)
    assert plan.sizes.sum() == len(plan.arrival_s)
    assert len(plan.kinds) == len(plan.firsts) == len(plan.cuts) == sum(plan.released)
    for kind, most in ((0, 4), (1, 3)):
        own = [k for k in range(len(plan.cuts)) if plan.kinds[k] == kind]
        assert [plan.firsts[k] for k in own] == [0, *np.cumsum([plan.sizes[k] for k in own])][: len(own)]
        arrivals = [plan.batch_arrivals(k) for k in own]
        assert all(len(each) <= most for each in arrivals)
        joined = np.concatenate(arrivals) if arrivals else np.empty(0)
        assert np.all(np.diff(joined) >= 0)


def test_a_second_service_changes_nothing_of_the_first_ones_requests() -> None:
    alone = RequestPlan.make(inference(services=()), SLOT_S, STAGES, 7, 2)
    both = RequestPlan.make(inference(), SLOT_S, STAGES, 7, 2)
    first = [both.batch_arrivals(k) for k in range(len(both.cuts)) if both.kinds[k] == 0]
    assert [list(each) for each in first] == [list(alone.batch_arrivals(k)) for k in range(len(alone.cuts))]


def test_any_run_of_batches_holds_the_services_in_their_proportion() -> None:
    """Policies allot batches by number and use their mean cost."""
    plan = RequestPlan.make(inference(40.0, 9.0), SLOT_S, STAGES, 1, 0)
    kinds = np.array(plan.kinds[: plan.released[1]])
    share = kinds.mean()
    assert 0.1 < share < 0.5
    for start in range(0, len(kinds) - 20, 3):
        assert abs(kinds[start : start + 20].sum() - 20 * share) <= 2.0


def test_the_mean_cost_is_that_of_all_batches() -> None:
    plans = [RequestPlan.make(inference(), SLOT_S, STAGES, seed, 0) for seed in (1, 2)]
    found = mean_cost(plans, [WorkCost(500.0, 50), WorkCost(9000.0, 9)], [5, 3])
    flop = sum(
        size * (100.0, 3000.0)[kind]
        for plan in plans
        for kind, size in zip(plan.kinds, plan.sizes, strict=True)
    )
    assert found.flop_per_batch == pytest.approx(flop / sum(len(plan.kinds) for plan in plans))


def two_services(make_config: MakeConfig, index: int = 0) -> RequestWorkload:
    config = make_config(index, stages=STAGES, inference=inference())
    return RequestWorkload(Images(), RequestPlan.of(config), [(Words(), MODEL)])


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


def parcel_of(workload: RequestWorkload, count: int = 12) -> tuple[Parcel, list[Arrays]]:
    batches = [workload.batch(k, Stage.APPLICATION) for k in range(count)]
    ids = list(range(count))
    return pack(
        run_id="run", epoch=1, slot=1, owner="n0", executor="n1", batch_ids=ids, batches=batches
    ), batches


def test_a_parcel_of_two_services_comes_out_as_it_went_in(make_config: MakeConfig) -> None:
    workload = two_services(make_config)
    parcel, batches = parcel_of(workload)
    assert set(parcel.batch_services) == {0, 1}
    again = unpack(codec.decode(Parcel, codec.encode(parcel)), workload.template)
    for one, two in zip(batches, again, strict=True):
        assert set(one) == set(two)
        assert all(np.array_equal(one[name], two[name]) for name in one)
    # The service is stated once per batch; the tags of requests are not sent.
    assert payload_bytes(parcel) == sum(
        array.nbytes for batch in batches for name, array in batch.items() if name != "service"
    )


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


def test_parcels_that_contradict_themselves_are_refused(make_config: MakeConfig) -> None:
    workload = two_services(make_config)
    parcel, _ = parcel_of(workload)
    swapped = dataclasses.replace(parcel, batch_services=tuple(1 - k for k in parcel.batch_services))
    with pytest.raises(codec.ProtocolError, match="axis 0"):
        codec.encode(swapped)
    with pytest.raises(codec.ProtocolError, match="one per batch"):
        codec.encode(dataclasses.replace(parcel, batch_services=parcel.batch_services[1:]))
    other = dataclasses.replace(
        parcel,
        batch_services=tuple(2 * k for k in parcel.batch_services),
        tensors=tuple(dataclasses.replace(t, name=t.name.replace("1:", "2:")) for t in parcel.tensors),
    )
    with pytest.raises(ValueError, match="service 2; this node has 0 to 1"):
        unpack(other, workload.template)
    lacking = dataclasses.replace(parcel, tensors=tuple(t for t in parcel.tensors if t.name != "1:tokens"))
    with pytest.raises(ParcelError, match="1:tokens"):
        unpack(lacking, workload.template)


def welcome(node: EdgeNode) -> None:
    node.register("boot")
    node.on_welcome(Welcome("run", epoch=1, heartbeat_s=1.0, lease_s=3.0, next_slot=0))


def finish(node: EdgeNode, slot: int, epoch: int) -> Usage:
    usage = node.close(CloseSlot(epoch, slot))
    node.on_grant(EnergyGrant(node.node_id, epoch, slot, 0, 0))
    return usage


def built(make_config: MakeConfig, index: int) -> EdgeNode:
    config = make_config(index, stages=STAGES, inference=inference())
    meter = build_meter(config.meter, config.board, config.slot_s)
    workloads = dict.fromkeys(set(STAGES), Images())
    node = EdgeNode(config, workloads, meter, services=[(Words(), MODEL)])
    welcome(node)
    node.on_decision(Decision(f"n{index}", 1, 0, STAGES[0], True, 0, (), (), 0, 0, 0, 9.0))
    finish(node, 0, 1)
    return node


def test_batches_of_both_services_move_and_every_request_is_counted_once(make_config: MakeConfig) -> None:
    owner, executor = built(make_config, 0), built(make_config, 1)
    plans = [RequestPlan.of(node.config) for node in (owner, executor)]
    due, home = plans[0].released[1], plans[1].released[1]
    away = due // 2
    (parcel,) = owner.on_decision(
        Decision("n0", 2, 1, STAGES[1], True, due - away, (Send("n1", "", away),), (), 0, 0, 0, 9.0)
    )
    executor.on_decision(Decision("n1", 2, 1, STAGES[1], True, home, (), (Guest("n0", away),), 0, 0, 0, 9.0))
    assert set(parcel.batch_services) == {0, 1}
    assert executor.on_parcel(parcel).accepted
    owner.parcel_delivered(parcel)
    served = {"linear": [0] * 4, "words": [0] * 4}
    for node in (owner, executor):
        node.execute({"w": np.zeros(1, dtype=np.float32)})
        usage = finish(node, 1, 2)
        assert [part.service for part in usage.serving] == ["linear", "words"]
        for part in usage.serving:
            assert sum(part.latency_counts) == part.requests
            counts = (part.requests, part.tokens_in, part.tokens_out, part.bits)
            served[part.service] = [a + b for a, b in zip(served[part.service], counts, strict=True)]
        assert usage.serving[0].decode_s == 0.0
        # Prefill and decode of the generating service, as counted on the board's speed of 1e6 per second.
        words = usage.serving[1]
        assert words.prefill_s == pytest.approx(0.12 * words.requests)
        assert words.decode_s == pytest.approx(0.1 * words.requests)
    asked = [0, 0]
    for plan in plans:
        for kind, size in list(zip(plan.kinds, plan.sizes, strict=True))[: plan.released[1]]:
            asked[kind] += int(size)
    assert served["linear"] == [asked[0], 0, 0, 24 * asked[0]]
    assert served["words"] == [asked[1], 5 * asked[1], 2 * asked[1], 56 * asked[1]]


def test_a_node_wants_as_many_services_as_it_is_told_of(make_config: MakeConfig) -> None:
    config = make_config(0, stages=STAGES, inference=inference())
    with pytest.raises(ValueError, match="0 further services are built, 1 are configured"):
        RequestWorkload(Images(), RequestPlan.of(config))
