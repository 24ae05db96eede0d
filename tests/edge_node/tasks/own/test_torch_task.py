"""``TorchTask``: any torch module and any map-style data set as a task whose batches move between nodes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edge_node.columns.trainer import RowTrainer
from edge_node.columns.work import WorkColumns
from edge_node.config import InferenceConfig, TaskConfig
from edge_node.tasks.build import build_workload
from edge_node.tasks.evaluation import evaluate, initial_parameters
from edge_node.tasks.registry import find_task
from edge_node.tasks.state import load_arrays, to_arrays
from edge_node.tasks.workload import TaskWorkload
from edge_node.workload import Parameters
from protos.messages.terms import Stage
from tests.edge_node.tasks.own import examples_of_tasks

OURS = ("images", "tokens", "table", "plain", "local")
MODULE = examples_of_tasks.__name__


def node(name: str, index: int = 0, **changes) -> TaskWorkload:
    values = {"data": "own", "batch_size": 10, "batches_per_slot": 3, "learning_rate": 0.01, "partitions": 2}
    config = TaskConfig(name=f"{MODULE}:{name}", partition_index=index, **(values | changes))
    return build_workload(config, InferenceConfig(requests_per_batch=6))


def batches(workload: TaskWorkload, count: int = 3):
    return [workload.batch(k, Stage.DEVELOPMENT) for k in range(count)]


def plain_loop(name: str, start: Parameters, work, epochs: int, mu: float = 0.0) -> tuple[Parameters, float]:
    """Weights, statistics and mean loss as torch's own loop has them."""
    task = getattr(examples_of_tasks, name)
    model = task.model().train()
    load_arrays(model, start)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    anchor = [parameter.detach().clone() for parameter in trained]
    make = torch.optim.SGD if name in ("plain", "local") else task._optimizer
    optimiser, losses = make(trained, lr=0.01), []
    for _ in range(epochs):
        for batch in work:
            x, y = task.inputs(batch)
            loss = task._loss(model(**x) if isinstance(x, dict) else model(x), y)
            losses.append(loss.item())
            drift = sum(((w - a) ** 2).sum() for w, a in zip(trained, anchor, strict=True))
            optimiser.zero_grad()
            (loss + mu / 2 * drift).backward()
            optimiser.step()
    return to_arrays(model), float(np.mean(losses))


@pytest.mark.parametrize("mu", [0.0, 0.5])
@pytest.mark.parametrize("name", OURS)
def test_training_is_the_plain_torch_loop(name: str, mu: float) -> None:
    workload = node(name, local_epochs=2)
    start, work = initial_parameters(workload.config.name, 1), batches(workload)
    result = workload.train(start, work, {"proximal-mu": mu})
    expected, loss = plain_loop(name, start, work, 2, mu)
    assert result.parameters.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_allclose(result.parameters[key], array, rtol=1e-4, atol=1e-6)
    assert result.mean_loss == pytest.approx(loss, rel=1e-4)
    assert result.batches == 3
    assert (
        result.flop == 60 * workload.task.flop().train == 3 * workload.cost(Stage.DEVELOPMENT).flop_per_batch
    )


def test_what_is_exchanged_is_the_whole_state_and_frozen_layers_stay() -> None:
    workload = node("images", local_epochs=2)
    start = initial_parameters(workload.config.name, 1)
    result = workload.train(start, batches(workload), {}).parameters
    assert result["batch.num_batches_tracked"] == 6
    assert all(array.dtype == np.float32 for array in result.values())
    assert workload.cost(Stage.DEVELOPMENT).model_bytes == sum(array.nbytes for array in result.values())
    for name in ("frozen.weight", "unused"):
        assert np.array_equal(result[name], start[name])
    half = {name: array * np.float32(0.5) for name, array in result.items()}
    half["batch.num_batches_tracked"] = np.float32(2.6)
    model = workload.task.model()
    load_arrays(model, half)
    assert model.batch.num_batches_tracked == 3
    assert "out.weight" not in node("tokens").task.initial_parameters(0)  # tied to the embedding


@pytest.mark.parametrize("name", ["images", "tokens", "table", "drops"])
def test_a_batch_that_moves_trains_elsewhere_as_it_would_at_home(name: str) -> None:
    """Same examples, same draws, same optimiser: only the place differs."""
    home, away = node(name, 0), node(name, 1)
    start = initial_parameters(home.config.name, 2)
    work = batches(home)
    moved = [
        {key: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape) for key, a in b.items()} for b in work
    ]
    here, there = home.train(start, work, {}), away.train(start, moved, {})
    assert here.num_examples == there.num_examples == 30
    assert here.mean_loss == there.mean_loss
    for key in here.parameters:
        assert np.array_equal(here.parameters[key], there.parameters[key])


def columns(executor, owner, first, count) -> WorkColumns:
    return WorkColumns(*(np.array(column, dtype=np.int64) for column in (executor, owner, first, count)))


@pytest.mark.parametrize("name", ["images", "tokens", "drops"])
def test_the_average_of_all_nodes_is_kept_whole_where_batches_move(name: str) -> None:
    """Rows of a virtual fleet, where node 1 trains a batch of node 0: the mean that nodes make one by one."""
    nodes = [node(name, 0), node(name, 1)]
    start = initial_parameters(nodes[0].config.name, 3)
    work = [batches(nodes[0], 2), [nodes[0].batch(2, Stage.DEVELOPMENT), *batches(nodes[1], 2)]]
    trained = [each.train(start, mine, {}) for each, mine in zip(nodes, work, strict=True)]
    total = sum(each.num_examples for each in trained)
    rows = RowTrainer(nodes[0].config, ["n0", "n1"])
    found = rows.train(start, columns([0, 1, 1], [0, 0, 1], [0, 2, 0], [2, 1, 2]), {}, False)
    assert found.num_examples.tolist() == [20, 30]
    ((weight, average),) = found.averages
    assert weight == total == 50
    for key in start:
        expected = sum(each.num_examples * each.parameters[key] for each in trained) / total
        np.testing.assert_allclose(average[key], expected, rtol=1e-5, atol=1e-7)
    assert found.mean_loss.tolist() == [each.mean_loss for each in trained]


def test_local_tensors_stay_with_their_node_and_the_others_do_not() -> None:
    first, second = node("local", 0), node("local", 1)
    start = initial_parameters(first.config.name, 1)
    mine = first.train(start, batches(first), {}).parameters
    second.train(start, batches(second), {})
    kept = first.task.kept()
    assert kept == {
        "scale",
        *(
            f"batch.{name}"
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        ),
    }
    work = batches(first)
    again = first.train(start, work, {}).parameters
    expected, _ = plain_loop("local", {**start, **{name: mine[name] for name in kept}}, work, 1)
    for key, array in expected.items():
        np.testing.assert_allclose(again[key], array, rtol=1e-4, atol=1e-6)
    assert again["batch.num_batches_tracked"] == 6
    request = [first.batch(0, Stage.APPLICATION)]
    assert (
        first.infer(start, request).correct
        == first.infer({**start, **{k: again[k] for k in kept}}, request).correct
    )


def test_dropout_is_drawn_by_step_and_leaves_torchs_generator_alone() -> None:
    workload = node("drops", local_epochs=2)
    start, work = initial_parameters(workload.config.name, 1), batches(workload)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = workload.train(start, work, {})
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(6)
    assert workload.train(start, work, {}).mean_loss == first.mean_loss
    assert workload.train(start, work[::-1], {}).mean_loss != first.mean_loss
    assert node("drops", seed=1, local_epochs=2).train(start, work, {}).mean_loss != first.mean_loss


def test_evaluation_and_answers_use_the_statistics_and_count_what_travels() -> None:
    workload = node("images")
    trained = workload.train(initial_parameters(workload.config.name, 1), batches(workload), {}).parameters
    found = evaluate(workload.config.name, "own", trained)
    model = workload.task.model().eval()
    load_arrays(model, trained)
    x, y = workload.task.inputs(workload.data.test)
    # In float64 as here: which examples are right differs with the processor's vector width, and 4 of 20 is no float32.
    assert found.accuracy == (model(x).argmax(1) == y).double().mean().item()
    assert found.loss == pytest.approx(torch.nn.functional.cross_entropy(model(x), y).item(), rel=1e-5)
    batch = workload.batch(0, Stage.APPLICATION)
    answers = workload.infer(trained, [batch])
    assert answers.payload_bits == 8 * 6 * (3 * 8 * 8 + 1)
    users = workload.user_bytes(batch, Stage.APPLICATION)
    assert 8 * (users.up_bytes + users.down_bytes) == answers.payload_bits
    assert (
        workload.prepare([workload.batch(0, Stage.PREPARATION)])
        == 2 * 10 * 192
        == workload.task.prepare_flop(10)
    )
    assert workload.cost(Stage.APPLICATION).flop_per_batch == answers.flop


def test_numbers_are_no_classes_so_that_none_is_right() -> None:
    task = find_task(f"{MODULE}:table")
    found = evaluate(f"{MODULE}:table", "own", task.initial_parameters(0))
    assert np.isnan(found.accuracy)
    assert found.loss > 0
    assert task.request_bytes() == (20, 4)
    with pytest.raises(ValueError, match=r"data own of task .*:table have none; give partition = \"iid\""):
        node("table", partition="dirichlet")


def test_uneven_partitions_follow_the_classes() -> None:
    shares = [node("images", k, partition="dirichlet", dirichlet_alpha=0.05, partitions=4) for k in range(4)]
    assert sorted(np.concatenate([each.share for each in shares]).tolist()) == list(range(100))
    labels = [set(each.data.groups[each.share].tolist()) for each in shares]
    assert min(len(each) for each in labels) < 4
    assert len({each.digest for each in shares}) == 4


def test_the_second_task_has_the_same_inputs_with_classes_renamed() -> None:
    task = find_task(f"{MODULE}:images")
    own, second = task.dataset("own"), task.dataset(task.recycling_data("own"))
    assert np.array_equal(second.train["target"], (own.train["target"] + 1) % 4)
    assert second.train["input"] is own.train["input"]
    mirrored = find_task(f"{MODULE}:table").dataset("second")
    low, high = (edge(examples_of_tasks.PRICES[:80]).item() for edge in (torch.min, torch.max))
    np.testing.assert_allclose(
        mirrored.test["target"], low + high - examples_of_tasks.PRICES[80:].numpy(), rtol=1e-5, atol=1e-5
    )
