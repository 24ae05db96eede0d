"""Several services in one application stage: every request is counted once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edge_node.config import NodeConfig
from edge_node.meters.registry import build_meter
from edge_node.serving.arrivals import RequestPlan
from edge_node.slots.node import EdgeNode
from protos.messages.slot import CloseSlot, Decision, EnergyGrant, Guest, Send, Usage
from protos.messages.stream import Welcome
from protos.messages.terms import Stage
from tests.edge_node.two_services import MODEL, Images, Words, inference

SERVED = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.APPLICATION)
MakeConfig = Callable[..., NodeConfig]


def welcome(node: EdgeNode) -> None:
    node.register("boot")
    node.on_welcome(Welcome("run", epoch=1, heartbeat_s=1.0, lease_s=3.0, next_slot=0))


def finish(node: EdgeNode, slot: int, epoch: int) -> Usage:
    usage = node.close(CloseSlot(epoch, slot))
    node.on_grant(EnergyGrant(node.node_id, epoch, slot, 0, 0))
    return usage


def built(make_config: MakeConfig, index: int) -> EdgeNode:
    config = make_config(index, stages=SERVED, inference=inference())
    meter = build_meter(config.meter, config.board, config.slot_s)
    workloads = dict.fromkeys(set(SERVED), Images())
    node = EdgeNode(config, workloads, meter, services=[(Words(), MODEL)])
    welcome(node)
    node.on_decision(Decision(f"n{index}", 1, 0, SERVED[0], True, 0, (), (), 0, 0, 0, 9.0))
    finish(node, 0, 1)
    return node


def test_batches_of_both_services_move_and_every_request_is_counted_once(make_config: MakeConfig) -> None:
    owner, executor = built(make_config, 0), built(make_config, 1)
    plans = [RequestPlan.of(node.config) for node in (owner, executor)]
    due, home = plans[0].released[1], plans[1].released[1]
    away = due // 2
    (parcel,) = owner.on_decision(
        Decision("n0", 2, 1, SERVED[1], True, due - away, (Send("n1", "", away),), (), 0, 0, 0, 9.0)
    )
    executor.on_decision(Decision("n1", 2, 1, SERVED[1], True, home, (), (Guest("n0", away),), 0, 0, 0, 9.0))
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
