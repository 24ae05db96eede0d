"""Requests of outside clients to one node, batched across callers, answered by its latest global model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.adapters.infer_queue import NodeQueue
from edge_node.build import build_node
from edge_node.config import NodeConfig
from edge_node.serving.client import InferClient, InferError
from edge_node.serving.tensors import to_tensors
from edge_node.slots.errors import NoModel
from edge_node.slots.node import EdgeNode
from edge_node.tasks.evaluation import initial_parameters
from protos.messages.inference import InferRequest
from protos.messages.slot import CloseSlot, Decision, EnergyGrant
from protos.messages.terms import Component, Stage
from tests.edge_node.application_slot import advance, config, decide, energies, finish_at, images

STAGES = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.DEVELOPMENT)
MakeConfig = Callable[..., NodeConfig]


def test_callers_share_a_batch(host: GrpcHost, make_config: MakeConfig) -> None:
    """Eight clients of one image each fill a batch of eight long before its waiting time is over."""
    made = build_node(config(make_config, max_wait_s=600.0))
    GrpcLink(made, host, "127.0.0.1:1")
    advance(made, 0)
    decide(made, 1)
    begin = threading.Barrier(8)

    def ask(k: int) -> int:
        with InferClient(host.infer_address) as client:
            begin.wait()
            return client.ask(images(1, seed=k)).batch_examples

    with ThreadPoolExecutor(8) as pool:
        sizes = list(pool.map(ask, range(8)))
    assert sizes == [8] * 8


@pytest.mark.parametrize("steps", range(8))
def test_a_full_batch_is_answered_at_once_at_whatever_moment_its_last_request_comes(
    host: GrpcHost, make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """``steps`` of the loop after the one before, while the queue is being woken for that one."""

    async def here(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", here)
    made = build_node(config(make_config, max_wait_s=600.0, requests_per_batch=3))
    GrpcLink(made, host, "127.0.0.1:1")
    advance(made, 0)
    decide(made, 1)

    async def ask() -> list[int]:
        with ThreadPoolExecutor(1) as workers:
            queue = NodeQueue(made, workers)
            request = InferRequest("1", "", to_tensors(images(1)))
            asked = [await queue.ask(request)]
            await asyncio.sleep(0.05)
            asking = [asyncio.create_task(queue.ask(request))]
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.append(asyncio.create_task(queue.ask(request)))
            asked += await asyncio.gather(*asking)
            answers = await asyncio.wait_for(asyncio.gather(*asked), 60)
            return [answer.batch_examples for answer in answers]

    assert asyncio.run(ask()) == [3, 3, 3]


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
