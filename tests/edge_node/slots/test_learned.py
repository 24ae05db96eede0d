"""What rounds of an app cost, as a node learns it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge_node.config import AppConfig, DemandConfig, NodeConfig
from edge_node.slots.learned import LearnedCost
from protos.messages.terms import Stage
from tests.edge_node.boards import BOARD


@pytest.fixture
def plain(make_config: Callable[..., NodeConfig]) -> NodeConfig:
    return make_config(0)


def of_an_app(plain: NodeConfig, **app: float) -> NodeConfig:
    return plain.model_copy(
        update={
            "board": BOARD,
            "app": AppConfig(client_app="a:b", partitions=1, **app),  # type: ignore[arg-type]
            "demand": DemandConfig(flop_per_batch=1.0, bytes_per_batch=1, batches=(1,)),
        }
    )


def test_the_mean_of_the_rounds_so_far_is_told_and_nothing_before_the_first(plain: NodeConfig) -> None:
    learned = LearnedCost(of_an_app(plain))
    assert learned.work(Stage.DEVELOPMENT) == ()
    for seconds, model_bytes in ((1.0, 100), (3.0, 300)):
        learned.observe(learned.flop(seconds, batches=1), model_bytes)
    (work,) = learned.work(Stage.DEVELOPMENT)
    assert work.seconds_per_batch == pytest.approx(2.0)
    assert work.joules_per_batch == pytest.approx(2.0 * (BOARD.busy_w - BOARD.static_w))
    assert work.model_j == pytest.approx(200 * (BOARD.rx_j_per_byte + BOARD.tx_j_per_byte))


def test_declared_operations_are_taken_as_they_are(plain: NodeConfig) -> None:
    learned = LearnedCost(of_an_app(plain, round_flop=5e5, evaluate_flop=1e5))
    assert learned.flop(17.0, batches=1) == 5e5
    assert learned.flop(17.0, batches=0) == 1e5


def test_a_divisible_apps_operations_go_by_its_batches(plain: NodeConfig) -> None:
    learned = LearnedCost(of_an_app(plain, round_flop=8e5, batches=4))
    assert learned.flop(17.0, batches=3) == 6e5
    assert LearnedCost(of_an_app(plain, batches=4)).flop(2.0, batches=3) == 2.0 * BOARD.effective_flop_per_s


def test_without_an_app_nothing_is_learned(plain: NodeConfig) -> None:
    with pytest.raises(ValueError, match="only a run of an app"):
        LearnedCost(plain)
