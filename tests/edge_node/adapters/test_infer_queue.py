"""Requests of outside clients to one node, batched across callers, answered by its latest global model."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.build import build_node
from edge_node.config import NodeConfig
from edge_node.serving.client import InferClient, InferError
from edge_node.slots.errors import NoModel
from edge_node.slots.node import EdgeNode
from edge_node.tasks.evaluation import initial_parameters
from protos.messages.slot import CloseSlot, Decision, EnergyGrant
from protos.messages.terms import Component, Stage
from tests.edge_node.application_slot import config, decide, energies, finish_at, images

STAGES = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.DEVELOPMENT)
MakeConfig = Callable[..., NodeConfig]


def test_callers_share_a_batch(host: GrpcHost, node: EdgeNode) -> None:
    """Eight clients of one image each fill a batch of eight long before its waiting time is over."""
    begin = threading.Barrier(8)

    def ask(k: int) -> int:
        with InferClient(host.infer_address) as client:
            begin.wait()
            return client.ask(images(1, seed=k)).batch_examples

    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(ask, range(8)))
    assert max(sizes) > 1


def test_before_the_first_model_and_after_the_run_clients_are_refused(
    host: GrpcHost, make_config: MakeConfig
) -> None:
    made = build_node(config(make_config))
    GrpcLink(made, host, "127.0.0.1:1")
    decide(made, 0, work=False)
    with InferClient(host.infer_address) as client:
        with pytest.raises(InferError, match="no global model yet") as refused:
            client.ask(images(1))
        assert refused.value.code == "FAILED_PRECONDITION"
        made.on_decision(Decision("n0", 2, 0, STAGES[0], True, 1, (), (), 0, 0, 0, 9.0))
        made.execute(initial_parameters("mnist-mlp", 0))
        assert client.ask(images(1)).batch_examples == 1  # while others still train
        usage = made.close(CloseSlot(2, 0))
        assert usage.outside is not None
        assert energies(usage, Stage.APPLICATION)[Component.COMPUTE] > 0
        made.on_grant(EnergyGrant("n0", 2, 0, 0, 0))
        made.on_decision(Decision("n0", 2, 1, STAGES[1], True, 1, (), (), 0, 0, 0, 9.0))
        made.execute(initial_parameters("mnist-mlp", 0))
        finish_at(made, 1, 2)
        assert client.ask(images(1)).batch_examples == 1
        made.on_decision(Decision("n0", 2, 2, STAGES[2], True, 0, (), (), 0, 0, 0, 9.0))
        finish_at(made, 2, 2)
        with pytest.raises(InferError, match="is over"):
            client.ask(images(1))
    with pytest.raises(NoModel):
        made.answer(images(1))


def test_callers_that_leave_do_not_disturb_others(host: GrpcHost, node: EdgeNode) -> None:
    for seed in range(5):
        with InferClient(host.infer_address) as leaver:
            stream = leaver.stream([images(1, seed=k) for k in range(seed, seed + 20)])
            next(stream)
    with InferClient(host.infer_address) as client:
        assert len(list(client.stream([images(2, seed=k) for k in range(10)]))) == 10
