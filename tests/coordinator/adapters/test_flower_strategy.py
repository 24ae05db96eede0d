"""The decided strategy and the schedule over Flower's own strategies, with a scripted coordinator and real
records.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord
from flwr.serverapp.strategy import FedAdam, FedAvg, FedAvgM, FedMedian, FedProx, FedYogi, QFedAvg

from coordinator.adapters.flower_strategy import StrategyError, read_replies
from protos.messages.runner import SlotPlan
from protos.messages.terms import Stage
from tests.coordinator.adapters.script import Nodes, Script, decided, decision, zeros

NUMBERS = {"a": 2, "b": 3, "c": 4}


def weight(result):
    return float(result.arrays["b"].numpy()[0])


def test_every_worker_gets_its_own_batches_and_the_mean_is_weighted_by_examples():
    control, grid = Script({"a": 1, "b": 3}), Nodes()
    result = decided(control).start(grid, zeros(), num_rounds=1)
    assert {m.metadata.dst_node_id: m.content["config"]["batches"] for m in grid.seen} == {2: 1, 3: 3}
    assert weight(result) == pytest.approx((10 * 1 + 30 * 3) / 40)
    assert control.calls == [("begin", 4, Stage.DEVELOPMENT), ("end", 4, 2 * 5, 0)]


def test_a_round_waits_as_long_as_it_is_told_to():
    """Not as long as a node waits for its decision: training may take longer than that."""
    control, grid = Script({"a": 1, "b": 3}), Nodes()
    decided(control).start(grid, zeros(), num_rounds=2, timeout=37.0)
    assert set(grid.timeouts) == {37.0}


def test_closing_the_slot_beside_the_averaging_gives_the_same():
    results = []
    for books in (None, ThreadPoolExecutor(1)):
        control = Script({"a": 1, "b": 3})
        result = decided(control, books=books).start(Nodes(), zeros(), num_rounds=2)
        results.append((weight(result), control.calls))
    assert results[0] == results[1]


def test_a_slot_begun_ahead_is_begun_once_and_after_what_comes_before():
    control, before = Script({"a": 1, "b": 3}), []
    with ThreadPoolExecutor(1) as books:
        strategy = decided(control, books=books, before_begin=lambda: before.append(len(control.calls)))
        strategy.start(
            Nodes(), zeros(), num_rounds=2, evaluate_fn=lambda now, _: strategy.begin_ahead(now + 1)
        )
    assert [call[:2] for call in control.calls] == [("begin", 4), ("end", 4), ("begin", 5), ("end", 5)]
    assert before == [0, 2]


def test_offloaded_batches_count_as_work_and_sleeping_nodes_are_skipped():
    control = Script({"a": 0, "b": 2, "c": 2}, asleep={"c"})
    begin = control.begin_slot

    def with_guest(slot, stage, wait_s):
        plan = begin(slot, stage, wait_s)
        first = decision("a", slot, stage, own=0, guests=[("b", 4)])
        return SlotPlan(1, slot, (first, *plan.decisions[1:]), (), "rule", None, 0.0)

    control.begin_slot = with_guest
    grid = Nodes()
    decided(control).start(grid, zeros(), num_rounds=1)
    assert {m.metadata.dst_node_id: m.content["config"]["batches"] for m in grid.seen} == {2: 4, 3: 2}


def test_when_all_sleep_the_round_passes_and_the_model_stays():
    control, grid = Script({"a": 1, "b": 1}, asleep={"a", "b"}), Nodes()
    strategy = decided(control)
    assert strategy.configure_train(1, zeros(), ConfigRecord(), grid) == []
    assert strategy.aggregate_train(1, []) == (None, None)
    assert control.calls[-1] == ("end", 4, 0, 0)


def test_errors_silence_and_dead_nodes_do_not_stop_the_round():
    seen = []
    control, grid = Script({"a": 1, "b": 2, "c": 3}), Nodes(failing=[2], silent=[3], dead=[])
    strategy = decided(control, on_round=lambda r, plan, replies, summary, model: seen.append(replies))
    result = strategy.start(grid, zeros(), num_rounds=1)
    assert weight(result) == 3.0
    assert (seen[0].answered, seen[0].failed, seen[0].missing) == (("c",), {"a": "broken"}, ("b",))
    assert seen[0].raised == ("a",)
    grid = Nodes(dead=[4])
    strategy = decided(control, on_round=lambda r, plan, replies, summary, model: seen.append(replies))
    strategy.start(grid, zeros(), num_rounds=1)
    assert (seen[1].answered, seen[1].unreachable) == (("a", "b"), ("c",))


def test_a_round_without_answers_keeps_the_model():
    control, grid = Script({"a": 1}), Nodes(silent=[2])
    result = decided(control).start(grid, zeros(), num_rounds=2)
    assert len(result.arrays) == 0
    assert [call[0] for call in control.calls] == ["begin", "end", "begin", "end"]


def test_a_node_without_examples_is_left_out_of_the_mean():
    control, grid = Script({"a": 1, "b": 2}), Nodes(idle=[2])
    assert weight(decided(control).start(grid, zeros(), num_rounds=1)) == 2.0


@pytest.mark.parametrize(
    "make",
    [
        FedAvg,
        lambda: FedProx(proximal_mu=0.5),
        FedAvgM,
        FedAdam,
        FedYogi,
        FedMedian,
        lambda: FedAvg(fraction_train=0.1, min_train_nodes=99, min_available_nodes=99),
    ],
)
def test_flowers_strategies_work_unchanged_with_one_living_node(make):
    control, grid = Script({"a": 2, "b": 1}), Nodes(dead=[3, 4])
    result = decided(control, make()).start(grid, zeros(), num_rounds=2)
    assert len(grid.seen) == 2
    assert weight(result) > 0


@pytest.mark.parametrize("make", [FedAdam, lambda: QFedAvg(client_learning_rate=0.1, train_loss_key="loss")])
def test_models_are_sent_in_the_nodes_number_type(make):
    alone = make()
    sent = alone.configure_train(1, zeros(), ConfigRecord(), Nodes(dead=[4]))
    replies = list(Nodes().send_and_receive([_told(message) for message in sent]))
    made, _ = alone.aggregate_train(1, replies)
    assert made["b"].dtype == "float64"  # nodes with float32 models refuse other types
    grid = Nodes(dead=[4])
    result = decided(Script({"a": 1, "b": 1}), make()).start(grid, zeros(), num_rounds=2)
    second = grid.seen[2].content["arrays"]
    assert {array.dtype for array in [*second.values(), *result.arrays.values()]} == {"float32"}
    np.testing.assert_array_equal(second["b"].numpy(), made["b"].numpy().astype(np.float32))


def _told(message):
    message.content["config"]["batches"] = 1
    return message


class Reshaping(FedAvg):
    def aggregate_train(self, server_round, replies):
        arrays, metrics = super().aggregate_train(server_round, replies)
        return ArrayRecord({"w": arrays["w"], "b": Array(np.zeros(2, np.float32))}), metrics


class Renaming(FedAvg):
    def aggregate_train(self, server_round, replies):
        arrays, metrics = super().aggregate_train(server_round, replies)
        return ArrayRecord({"weights": arrays["w"]}), metrics


@pytest.mark.parametrize(("inner", "said"), [(Reshaping(), "shape"), (Renaming(), "weights")])
def test_a_strategy_that_makes_another_model_is_named(inner, said):
    line = inner.aggregate_train.__func__.__code__.co_firstlineno
    with pytest.raises(StrategyError, match=rf"{said}.* \(at .*/test_flower_strategy\.py:{line}\)"):
        decided(Script({"a": 1}), inner).start(Nodes(), zeros(), num_rounds=1)


def test_a_strategys_own_settings_reach_the_nodes():
    control, grid = Script({"a": 2}), Nodes()
    decided(control, FedProx(proximal_mu=0.25)).start(
        grid, zeros(), num_rounds=1, train_config=ConfigRecord({"mine": "x"})
    )
    config = dict(grid.seen[0].content["config"])
    assert (config["proximal-mu"], config["mine"], config["slot"], config["server-round"]) == (
        0.25,
        "x",
        4,
        1,
    )


def test_the_same_array_record_goes_to_all_nodes():
    control, grid = Script({"a": 1, "b": 2, "c": 3}), Nodes()
    messages = decided(control).configure_train(1, zeros(), ConfigRecord(), grid)
    assert len({id(message.content["arrays"]) for message in messages}) == 1
    assert len({id(message.content["config"]) for message in messages}) == 3


def test_results_do_not_depend_on_the_order_of_arrival():
    control, grid = Script({"a": 1, "b": 2, "c": 3}), Nodes()
    sent = decided(control).configure_train(1, zeros(), ConfigRecord(), grid)
    replies = grid.send_and_receive(sent)
    names = {number: name for name, number in NUMBERS.items()}
    one, ordered = read_replies(["a", "b", "c"], [], replies, names)
    two, again = read_replies(["a", "b", "c"], [], replies[::-1], names)
    assert one == two
    assert [id(m) for m in ordered] == [id(m) for m in again]
