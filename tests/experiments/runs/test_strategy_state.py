"""Every listed strategy goes on from what is kept of it as if nothing had happened."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord
from flwr.serverapp.strategy import FedAdam, FedAvg, FedAvgM, FedMedian, Strategy
from safetensors.numpy import load, save

from experiments.runs.strategy_state import NotKeptError, keep, recall
from experiments.scenario.strategies import STRATEGIES, make_strategy


def made(name: str) -> Strategy:
    strategy: Strategy = make_strategy(name, {}, 0.1)
    return strategy


def through_a_file(strategy: Strategy, fresh: Strategy) -> Strategy:
    """``fresh`` with the state of ``strategy``, whose arrays went through safetensors."""
    kept, tensors = keep(strategy)
    recall(fresh, kept, load(save(tensors)) if tensors else {})
    return fresh


@pytest.mark.parametrize("name", STRATEGIES)
def test_of_every_listed_strategy_all_attributes_come_back(name: str) -> None:
    strategy = made(name)
    again = through_a_file(strategy, made(name))
    plain = {key: value for key, value in vars(strategy).items() if not callable(value)}
    assert {key: value for key, value in vars(again).items() if not callable(value)} == plain


def test_momenta_and_models_come_back_to_the_bit() -> None:
    random = np.random.default_rng(0)
    adam = FedAdam()
    adam.m_t = {"w": random.normal(size=(3, 2)), "b": random.normal(size=()).astype(np.float32)}
    adam.v_t = {"w": random.normal(size=(3, 2)).astype(np.float32).T.copy(order="F")}
    again = through_a_file(adam, FedAdam())
    assert isinstance(again, FedAdam)
    assert again.m_t is not None
    assert again.v_t is not None
    for name, array in adam.m_t.items():
        assert again.m_t[name].dtype == array.dtype
        assert np.array_equal(again.m_t[name], array)
        assert again.m_t[name].shape == array.shape
    assert np.array_equal(again.v_t["w"], adam.v_t["w"])
    momentum = FedAvgM()
    momentum.current_arrays = ArrayRecord({"w": Array(np.arange(4.0))})
    momentum.momentum_vector = [np.arange(3.0), np.float64(2.5)]
    other = through_a_file(momentum, FedAvgM())
    assert isinstance(other, FedAvgM)
    assert other.current_arrays is not None
    assert np.array_equal(other.current_arrays["w"].numpy(), np.arange(4.0))
    assert other.momentum_vector is not None
    assert isinstance(other.momentum_vector[1], np.float64)


class Wrapped(FedMedian):
    """A strategy around another, with a norm that moves and is not finite at first."""

    def __init__(self) -> None:
        super().__init__()
        self.strategy = FedAdam()
        self.norm = float("inf")
        self.events: dict[int, float | None] = {1: None}


def test_a_strategy_inside_another_comes_back_too() -> None:
    outer = Wrapped()
    outer.strategy.v_t = {"w": np.ones(2)}
    outer.events[2] = 0.25
    again = through_a_file(outer, Wrapped())
    assert isinstance(again, Wrapped)
    assert again.norm == float("inf")
    assert again.events == {1: None, 2: 0.25}
    assert again.strategy.v_t is not None
    assert np.array_equal(again.strategy.v_t["w"], np.ones(2))


class Secretive(FedAvg):
    def __init__(self) -> None:
        super().__init__()
        self.history = [threading.Lock()]


def test_what_cannot_be_stored_is_named() -> None:
    with pytest.raises(NotKeptError, match=r"Secretive.history\[0\] is a lock"):
        keep(Secretive())
