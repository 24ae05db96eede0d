"""Workload of two services: images and words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edge_node.config import InferenceConfig, NodeConfig, ServiceConfig, TaskConfig
from edge_node.serving.arrivals import RequestPlan
from edge_node.serving.requests import RequestWorkload
from edge_node.workload import Arrays, InferResult, Parameters, UserBytes, WorkCost
from protos.messages.terms import Stage

SERVED = (Stage.DEVELOPMENT, Stage.APPLICATION, Stage.APPLICATION)
MakeConfig = Callable[..., NodeConfig]
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


def two_services(make_config: MakeConfig, index: int = 0) -> RequestWorkload:
    config = make_config(index, stages=SERVED, inference=inference())
    return RequestWorkload(Images(), RequestPlan.of(config), [(Words(), MODEL)])
