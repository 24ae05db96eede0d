"""Rounds of Flower's own strategies without messages: averages and single answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord
from flwr.serverapp.strategy import FedAdam, FedAvg, FedMedian, FedProx, Krum, QFedAvg, Strategy

from coordinator.adapters.flower_columns import Answer, ColumnRounds, averages
from coordinator.adapters.flower_strategy import StrategyError
from tests.coordinator.adapters.script import Nodes


def record(value: float) -> ArrayRecord:
    return ArrayRecord({"w": Array(np.full(3, value, dtype=np.float32))})


def answer(value: float, examples: int) -> Answer:
    return Answer(record(value), {"num-examples": examples, "loss": 0.5, "batches": 1, "flop": 1.0})


def value(arrays: ArrayRecord | None) -> float:
    assert arrays is not None
    return float(arrays["w"].numpy()[0])


class Looking(FedAvg):
    """A strategy of one's own that looks at single answers."""

    def aggregate_train(self, server_round: int, replies: Any) -> Any:
        self.seen = len(replies)
        return super().aggregate_train(server_round, replies)


def test_which_strategies_take_an_average() -> None:
    assert averages(FedAvg())
    assert averages(FedAdam())
    assert averages(FedProx(proximal_mu=0.1))
    for other in (
        FedMedian(),
        Krum(),
        QFedAvg(client_learning_rate=0.1),
        Looking(),
        FedAvg(weighted_by_key="loss"),
    ):
        assert not averages(other)


def test_an_average_is_one_message_and_any_number_of_parts() -> None:
    rounds = ColumnRounds(FedProx(proximal_mu=0.25), Nodes())
    (sent,) = rounds.begin(1, record(0.0), ConfigRecord(), (2, 3, 4))
    assert sent.numbers == (2, 3, 4)
    assert sent.config["proximal-mu"] == 0.25
    assert not rounds.each
    assert value(rounds.end(1, [answer(1.0, 10), answer(5.0, 30)])) == pytest.approx(4.0)
    assert value(rounds.end(1, [answer(3.0, 40)])) == 3.0


@pytest.mark.parametrize("strategy", [FedAdam(), FedAvg()])
def test_an_average_of_parts_makes_the_same_model_as_single_answers(strategy: Strategy) -> None:
    made = []
    for answers in ([answer(1.0, 10), answer(5.0, 20), answer(2.0, 10)], [answer(3.25, 40)]):
        rounds = ColumnRounds(strategy, Nodes())
        strategy.__dict__.pop("m_t", None), strategy.__dict__.update(m_t=None, v_t=None)
        rounds.begin(1, record(0.0), ConfigRecord(), (2, 3, 4))
        made.append(value(rounds.end(1, answers)))
    assert made[0] == pytest.approx(made[1], abs=1e-6)


def test_single_answers_reach_a_strategy_that_needs_them() -> None:
    strategy = Looking(fraction_train=0.1)
    rounds = ColumnRounds(strategy, Nodes())
    (sent,) = rounds.begin(1, record(0.0), ConfigRecord(), (2, 4))
    assert sent.numbers == (2, 4)
    assert value(rounds.end(1, [answer(1.0, 10), answer(5.0, 30)])) == pytest.approx(4.0)
    assert strategy.seen == 2
    median = ColumnRounds(FedMedian(), Nodes())
    median.begin(1, record(0.0), ConfigRecord(), (2, 3, 4))
    assert value(median.end(1, [answer(1.0, 10), answer(5.0, 30), answer(2.0, 1)])) == 2.0


class Personal(Looking):
    """Sends one node another learning rate."""

    def configure_train(self, server_round: int, arrays: Any, config: Any, grid: Any) -> Any:
        for message in super().configure_train(server_round, arrays, config, grid):
            rate = 0.5 if message.metadata.dst_node_id == 3 else 0.1
            message.content = type(message.content)(
                {"arrays": arrays, "config": ConfigRecord({**config, "learning-rate": rate})}
            )
            yield message


def test_nodes_that_are_sent_the_same_are_together() -> None:
    sent = ColumnRounds(Personal(), Nodes()).begin(1, record(0.0), ConfigRecord(), (2, 3, 4))
    assert {each.numbers: each.config["learning-rate"] for each in sent} == {(2, 4): 0.1, (3,): 0.5}


class Broken(FedAvg):
    def aggregate_train(self, server_round: int, replies: Any) -> Any:
        return record(0.0).__class__({"other": Array(np.zeros(3))}), None


def test_a_strategy_that_fails_is_named() -> None:
    rounds = ColumnRounds(Broken(), Nodes())
    rounds.begin(2, record(0.0), ConfigRecord(), (2,))
    with pytest.raises(StrategyError, match=r"strategy Broken failed in round 2.*the model has \['w'\]"):
        rounds.end(2, [answer(1.0, 1)])
