from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.config import InferenceConfig
from edge_node.tasks.build import build_workload
from edge_node.tasks.evaluation import initial_parameters
from edge_node.tasks.images import ImageTask
from edge_node.tasks.registry import find_task
from edge_node.tasks.state import load_arrays, to_arrays
from protos.messages.terms import Stage
from tests.edge_node.tasks.image_workloads import batches, config
from tests.edge_node.tasks.peephole_cells import cell_by_cell
from tests.edge_node.tasks.shipped import SHIPPED
from tests.edge_node.tasks.workloads import workload

DEVELOPMENT, APPLICATION, PREPARATION = Stage.DEVELOPMENT, Stage.APPLICATION, Stage.PREPARATION


def same(first, second) -> bool:
    return first.keys() == second.keys() and all(np.array_equal(first[k], second[k]) for k in first)


@settings(max_examples=25, deadline=None)
@given(batch_size=st.integers(1, 200), passes=st.integers(1, 3), index=st.integers(0, 9))
def test_each_pass_holds_every_example_once_in_its_own_order(batch_size, passes, index):
    workload = build_workload(config(batch_size=batch_size, partition_index=index))
    share, needed = workload.num_examples, passes * workload.num_examples
    ids = np.concatenate([batch["ids"] for batch in batches(workload, -(-needed // batch_size))])
    orders = [ids[k * share : (k + 1) * share] for k in range(passes)]
    assert all(np.array_equal(np.sort(order), np.sort(orders[0])) for order in orders)
    assert len(np.unique(orders[0])) == share
    assert passes == 1 or not np.array_equal(orders[0], orders[1])


def test_the_same_number_always_means_the_same_examples():
    first, second = build_workload(config()), build_workload(config())
    for batch_id in (0, 7, 4, 10_000, 7):
        assert same(first.batch(batch_id, DEVELOPMENT), second.batch(batch_id, DEVELOPMENT))
    batch = first.batch(7, DEVELOPMENT)
    assert same(batch, first.batch(7, DEVELOPMENT))
    assert np.array_equal(batch["labels"], first.data.train["labels"][batch["ids"]])
    assert np.array_equal(batch["images"], first.data.train["images"][batch["ids"]])


def test_shares_of_the_nodes_are_disjoint_and_named_by_their_digest():
    nodes = [build_workload(config(partition_index=k, partition="dirichlet")) for k in range(10)]
    ids = [np.unique(np.concatenate([b["ids"] for b in batches(node, node.num_batches)])) for node in nodes]
    assert sum(node.num_examples for node in nodes) == 1438 == len(np.unique(np.concatenate(ids)))
    assert len({node.digest for node in nodes}) == 10
    assert nodes[0].digest == build_workload(config(partition="dirichlet")).digest


@pytest.mark.parametrize(("task", "epochs"), [("mnist-mlp", 1), ("mnist-mlp", 2), ("mnist-cnn", 2)])
def test_training_agrees_with_a_plain_torch_loop(task, epochs):
    workload = build_workload(config(name=task, local_epochs=epochs, learning_rate=0.05))
    start, work = initial_parameters(task, 1), batches(workload, 3)
    result = workload.train(start, work, {})

    model = find_task(task).model()
    load_arrays(model, start)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for _ in range(epochs):
        for batch in work:
            x = torch.tensor(batch["images"], dtype=torch.float32) / 255
            x = (x - x.mean(dim=(1, 2, 3), keepdim=True)) / 0.3081
            loss = torch.nn.functional.cross_entropy(model(x), torch.tensor(batch["labels"]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    for name, array in to_arrays(model).items():
        np.testing.assert_allclose(result.parameters[name], array, rtol=1e-4, atol=2e-5)
    assert result.mean_loss == pytest.approx(np.mean(losses), rel=1e-4)
    assert result.flop == 3 * epochs * 32 * find_task(task).flop().train
    assert result.flop == pytest.approx(3 * workload.cost(DEVELOPMENT).flop_per_batch)


@pytest.mark.parametrize("task", ["mnist-mlp", "mnist-cnn"])
def test_how_many_batches_are_converted_together_changes_nothing(task, monkeypatch):
    workload = build_workload(config(name=task, learning_rate=0.05, batch_size=4))
    start, work = initial_parameters(task, 1), batches(workload, 7)
    results = []
    for together_bytes in (1, 3 * 4 * 784 * 4, 2**30):
        monkeypatch.setattr("edge_node.tasks.workload.TOGETHER_BYTES", together_bytes)
        left = iter([False] * 5 + [True])
        results.append(
            (
                workload.train(start, work, {}),
                workload.train(start, work, {}, stop=lambda left=left: next(left)),
            )
        )
    for whole, stopped in results:
        assert (whole.batches, stopped.batches, stopped.num_examples) == (7, 5, 20)
        assert same(whole.parameters, results[0][0].parameters)
        assert same(stopped.parameters, results[0][1].parameters)


def plain_rounds(name: str, start, shares, options, rounds: int):
    """The usual loop: nn.Module, autograd, SGD by hand, weights averaged after each round; also all losses."""
    task = find_task(name)
    model = task.model()
    for layer in getattr(model, "layers", []):
        layer.forward = partial(cell_by_cell, layer)
    tensors = list(model.parameters())
    weights = [torch.from_numpy(array.copy()) for array in start.values()]
    losses = []
    for _ in range(rounds):
        trained = []
        for work in shares:
            with torch.no_grad():
                for tensor, array in zip(tensors, weights, strict=True):
                    tensor.copy_(array)
            anchor = [tensor.detach().clone() for tensor in tensors]
            for batch in work:
                x, y = task.inputs(batch)
                output = model(x)
                loss = torch.nn.functional.cross_entropy(
                    output.flatten(0, -2) if output.dim() == 3 else output, y.flatten()
                )
                losses.append(loss.item())
                drift = sum(((w - a) ** 2).sum() for w, a in zip(tensors, anchor, strict=True))
                model.zero_grad()
                (loss + options.get("proximal-mu", 0.0) / 2 * drift).backward()
                with torch.no_grad():
                    for tensor in tensors:
                        tensor -= options["learning-rate"] * tensor.grad
            trained.append([tensor.detach().clone() for tensor in tensors])
        weights = [torch.stack(same).mean(dim=0) for same in zip(*trained, strict=True)]
    return dict(zip(start, [tensor.numpy() for tensor in weights], strict=True)), losses


@pytest.mark.parametrize("options", [{"learning-rate": 0.05}, {"learning-rate": 0.05, "proximal-mu": 0.5}])
@pytest.mark.parametrize("name", SHIPPED)
def test_rounds_of_every_task_agree_with_the_plain_loop(name, options):
    task = find_task(name)
    rounds, size = 3, 24 if task.default_data == "digits" else 3
    nodes = [
        build_workload(config(name=name, data=task.default_data, batch_size=size, partition_index=k))
        for k in range(2)
    ]
    shares = [batches(node, 2) for node in nodes]
    start = weights = initial_parameters(name, 1)
    losses = []
    for _ in range(rounds):
        results = [node.train(weights, work, options) for node, work in zip(nodes, shares, strict=True)]
        losses += [result.mean_loss for result in results]
        weights = {
            key: np.mean([result.parameters[key] for result in results], axis=0)
            for key in results[0].parameters
        }
    expected, each = plain_rounds(name, start, shares, options, rounds)
    for key, array in expected.items():
        np.testing.assert_allclose(weights[key], array, rtol=0, atol=1e-4)
    assert losses == pytest.approx(np.reshape(each, (-1, 2)).mean(axis=1), abs=1e-4)


@pytest.mark.parametrize("name", SHIPPED)
def test_bfloat16_is_used_on_request_and_stays_near_float32(name):
    task = find_task(name)
    size = 24 if task.default_data == "digits" else 3
    settings = {"name": name, "data": task.default_data, "batch_size": size, "learning_rate": 0.05}
    start = initial_parameters(name, 1)
    exact, rounded = (
        build_workload(config(**settings, precision=precision)) for precision in ("float32", "bfloat16")
    )
    work = batches(exact, 2)
    for options in ({}, {"proximal-mu": 0.5, "local-epochs": 2}):
        first, second = exact.train(start, work, options), rounded.train(start, work, options)
        assert first.mean_loss != second.mean_loss == pytest.approx(first.mean_loss, rel=3e-3)
        assert all(array.dtype == np.float32 for array in second.parameters.values())
        moved = {key: first.parameters[key] - start[key] for key in start}
        apart = {key: second.parameters[key] - first.parameters[key] for key in start}
        norms = [np.sqrt(sum(float((a**2).sum()) for a in arrays.values())) for arrays in (apart, moved)]
        assert norms[0] < 0.15 * norms[1]  # rounding moves maxima of the pooling
        assert same(second.parameters, rounded.train(start, work, options).parameters)
    assert not torch.is_autocast_enabled("cpu")


class TanhTask(ImageTask):
    """A task of one's own: a plain module and nothing else."""

    name = "own"

    def model(self) -> torch.nn.Module:
        return torch.nn.Sequential(
            torch.nn.Flatten(), torch.nn.Linear(784, 7), torch.nn.Tanh(), torch.nn.Linear(7, 10)
        )


def test_a_task_of_ones_own_learns_in_the_common_loop():
    name = f"{__name__}:TanhTask"
    workload = build_workload(config(name=name, learning_rate=0.05))
    start, work = initial_parameters(name, 1), batches(workload, 4)
    result = workload.train(start, work, {})
    expected, losses = plain_rounds(name, start, [work], {"learning-rate": 0.05}, 1)
    for key, array in expected.items():
        np.testing.assert_allclose(result.parameters[key], array, rtol=0, atol=1e-5)
    assert result.mean_loss == pytest.approx(np.mean(losses), abs=1e-5)
    other = build_workload(config(name=name, learning_rate=0.05, precision="bfloat16")).train(start, work, {})
    assert result.mean_loss != other.mean_loss == pytest.approx(result.mean_loss, rel=3e-3)


def test_the_proximal_term_pulls_towards_the_global_model():
    workload = build_workload(config(learning_rate=0.05))
    start, work = initial_parameters("mnist-mlp", 1), batches(workload, 4)
    mu = 0.7
    result = workload.train(start, work, {"proximal-mu": mu})

    model = find_task("mnist-mlp").model()
    tensors = load_arrays(model, start)
    anchor = [tensor.detach().clone() for tensor in tensors]
    for batch in work:
        x, y = find_task("mnist-mlp").inputs(batch)
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss = loss + mu / 2 * sum(((w - a) ** 2).sum() for w, a in zip(tensors, anchor, strict=True))
        gradients = torch.autograd.grad(loss, tensors)
        with torch.no_grad():
            for tensor, gradient in zip(tensors, gradients, strict=True):
                tensor.sub_(0.05 * gradient)
    for name, array in to_arrays(model).items():
        np.testing.assert_allclose(result.parameters[name], array, rtol=1e-4, atol=2e-5)
    free = workload.train(start, work, {}).parameters

    def drift(parameters) -> float:
        return sum(float(((parameters[k] - start[k]) ** 2).sum()) for k in start)

    assert drift(result.parameters) < drift(free)


def test_training_leaves_its_inputs_alone_and_repeats_exactly():
    workload = build_workload(config())
    start, work = initial_parameters("mnist-mlp", 1), batches(workload, 2)
    before, kept = (
        {k: v.copy() for k, v in start.items()},
        [{k: v.copy() for k, v in b.items()} for b in work],
    )
    first = workload.train(start, work, {})
    assert same(start, before)
    assert all(same(a, b) for a, b in zip(work, kept, strict=True))
    assert same(first.parameters, workload.train(start, work, {}).parameters)


def test_offloaded_batches_from_the_wire_count_as_own_ones():
    owner, executor = build_workload(config(partition_index=1)), build_workload(config(partition_index=2))
    guest = {
        k: np.frombuffer(v.tobytes(), v.dtype).reshape(v.shape)
        for k, v in owner.batch(3, DEVELOPMENT).items()
    }
    assert not guest["images"].flags.writeable
    start = initial_parameters("mnist-mlp", 1)
    there = executor.train(start, [guest], {})
    here = owner.train(start, [owner.batch(3, DEVELOPMENT)], {})
    assert same(there.parameters, here.parameters)
    assert executor.train(start, [executor.batch(0, DEVELOPMENT), guest], {}).num_examples == 64


def test_examples_seen_twice_weigh_once():
    workload = build_workload(config())
    start = initial_parameters("mnist-mlp", 1)
    assert workload.num_examples == 144
    result = workload.train(start, batches(workload, 9), {"local-epochs": 2})
    assert (result.num_examples, result.batches) == (144, 9)


@pytest.mark.parametrize(("options", "words"), [({"momentum": 0.9}, "proximal-mu"), ({}, "no batches")])
def test_training_that_cannot_be_done_is_refused(options, words):
    workload = build_workload(config())
    work = batches(workload, 1) if options else []
    with pytest.raises(ValueError, match=words):
        workload.train(initial_parameters("mnist-mlp", 1), work, options)


def test_preparation_checks_what_it_reads():
    workload = build_workload(config())
    work = [workload.batch(k, PREPARATION) for k in range(2)]
    assert workload.prepare(work) == pytest.approx(2 * workload.cost(PREPARATION).flop_per_batch)
    blank = {**work[0], "images": np.zeros_like(work[0]["images"])}
    with pytest.raises(ValueError, match="32 of 32"):
        workload.prepare([blank])
    with pytest.raises(ValueError, match="uint8"):
        workload.prepare([{**work[0], "images": work[0]["images"].astype(np.float32)}])
    with pytest.raises(ValueError, match="class indices"):
        workload.prepare([{**work[0], "labels": work[0]["labels"] - 10}])


def test_a_batch_costs_the_bytes_it_has():
    workload = build_workload(config(), InferenceConfig(requests_per_batch=8))
    assert workload.cost(DEVELOPMENT).bytes_per_batch == 32 * (784 + 8 + 8)
    assert workload.cost(APPLICATION).bytes_per_batch == 8 * (784 + 8)
    assert workload.cost(Stage.RECYCLING) == workload.cost(DEVELOPMENT)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"partition_index": 10}, "below partitions = 10"),
        ({"data": "imagenet"}, "digits"),
        ({"partitions": 2000}, "fewer nodes"),
        ({"partition": "alphabetic"}, "dirichlet"),
    ],
)
def test_impossible_configurations_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        build_workload(config(**changes))


def test_negative_batch_numbers_are_refused():
    with pytest.raises(ValueError, match="-1"):
        build_workload(config()).batch(-1, DEVELOPMENT)


def test_preparation_refuses_what_is_no_text():
    node = workload("tiny-gpt")
    batch = node.batch(0, "preparation")
    assert node.prepare([batch]) == node.cost("preparation").flop_per_batch
    with pytest.raises(ValueError, match="no text"):
        node.prepare([{**batch, "tokens": np.zeros_like(batch["tokens"])}])
    with pytest.raises(ValueError, match="uint8"):
        node.prepare([{**batch, "tokens": batch["tokens"][:, :10]}])
