"""Means with equal weights and noise, on Flower's own FedAvg."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvg
from flwr.supercore.differential_privacy import compute_stdv

from coordinator.adapters.flower_guarded import Guarded, close_round, open_round
from edge_node.adapters.flower_private import bind_identity
from experiments.runs.strategy_state import keep, recall

VALUES = 40_000


def answer(node: int, value: float, examples: int) -> Message:
    asked = Message(RecordDict(), node, "train")
    arrays = ArrayRecord({"w": Array(np.full(VALUES, value, np.float32))})
    metrics = MetricRecord({"num-examples": examples, "loss": 1.0})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=asked)


def mean(guarded: Guarded, server_round: int = 1) -> np.ndarray:
    bind_identity(1)
    replies = [answer(2, 1.0, 10), answer(3, 4.0, 90), answer(4, 7.0, 10)]
    found, _ = guarded.aggregate_train(server_round, replies)
    return found["w"].numpy()


def test_equal_weights_take_the_plain_mean_whatever_the_examples() -> None:
    assert mean(Guarded(FedAvg()))[0] == pytest.approx((10 + 360 + 70) / 110)
    assert mean(Guarded(FedAvg(), equal_weights=True))[0] == pytest.approx(4.0)


def test_noise_is_of_the_sum_and_by_round_and_seed() -> None:
    """As Flower scales it where as many nodes answer as it was told."""
    guarded = Guarded(FedAvg(), equal_weights=True, noise_scale=0.6, seed=5)
    noise = mean(guarded) - 4.0
    assert noise.std() == pytest.approx(compute_stdv(1.5, 0.4, 3), rel=0.02)
    np.testing.assert_array_equal(mean(guarded) - 4.0, noise)
    for other in (mean(guarded, 2), mean(Guarded(FedAvg(), equal_weights=True, noise_scale=0.6, seed=6))):
        assert abs(np.corrcoef(noise, other)[0, 1]) < 0.03
    free = Guarded(FedAvg(), equal_weights=True, noise_scale=0.6, seed=None)
    assert abs(np.corrcoef(mean(free), mean(free))[0, 1]) < 0.03


def test_its_state_can_be_kept_in_the_middle_of_a_round() -> None:
    guarded = Guarded(FedAvg(), threshold_fraction=0.6)
    guarded.configure_train(1, ArrayRecord({"w": Array(np.zeros(3))}), ConfigRecord(), _TwoNodes())
    told, tensors = keep(guarded)
    assert not tensors
    recall(Guarded(FedAvg(), threshold_fraction=0.6), told, tensors)


def test_other_strategies_open_and_close_nothing() -> None:
    assert open_round(FedAvg(), {2: {"slot": 0}, 3: {"slot": 0}}, _NoNodes()) == [2, 3]
    assert close_round(FedAvg(), []) == 0
    assert Guarded(FedAvg()).close_round([]) == 0


class _TwoNodes:
    def get_node_ids(self) -> list[int]:
        return [2, 3]


class _NoNodes:
    def get_node_ids(self) -> list[int]:
        return []
