"""Models of nodes' own: what stays at home, what travels, what a second model learns, and how it is measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edge_node.config import PersonalConfig, TaskConfig
from edge_node.tasks.build import build_workload
from edge_node.tasks.evaluation import evaluate, initial_parameters
from edge_node.tasks.mnist_mlp import Mlp
from edge_node.tasks.mnist_mlp_bn import NormMlp
from edge_node.tasks.personal import PersonalWorkload, head_tensors, mixture, norm_tensors
from edge_node.tasks.registry import find_task
from edge_node.tasks.state import load_arrays, to_arrays
from edge_node.tasks.workload import TaskWorkload
from edge_node.workload import KeepsTensors

NORM = ("norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked")


def config(name: str = "mnist-mlp", partition: str = "dirichlet", **personal: object) -> TaskConfig:
    return TaskConfig(
        name=name,
        batch_size=16,
        batches_per_slot=4,
        local_epochs=2,
        learning_rate=0.05,
        partition=partition,
        partitions=3,
        partition_index=1,
        seed=3,
        personal=PersonalConfig.model_validate(personal) if personal or partition == "iid" else None,
    )


def trained(workload: TaskWorkload, parameters: object = None, first: int = 0) -> object:
    begun = initial_parameters(workload.config.name, 3) if parameters is None else parameters
    home = workload.config.personal.home if workload.config.personal else ()
    sent = {name: array for name, array in begun.items() if name not in home}
    return workload.train(sent, [workload.batch(first + k, "development") for k in range(4)], {})


def test_fedbn_keeps_all_of_batch_normalisation_and_needs_some() -> None:
    assert set(norm_tensors(NormMlp())) == set(NORM)
    with pytest.raises(ValueError, match="has no layer of batch normalisation"):
        norm_tensors(Mlp())


def test_fedper_keeps_the_last_layer_or_what_patterns_name() -> None:
    assert head_tensors(Mlp(), "") == ("output.weight", "output.bias")
    assert head_tensors(Mlp(), "hidden.bias, output.*") == ("hidden.bias", "output.weight", "output.bias")
    with pytest.raises(ValueError, match="nothing would be learned together"):
        head_tensors(Mlp(), "*")
    with pytest.raises(ValueError, match="nothing in the model is 'head"):
        head_tensors(Mlp(), "head.*")


def test_what_stays_at_home_neither_leaves_nor_is_overwritten_nor_counted() -> None:
    home = ("output.weight", "output.bias")
    workload = build_workload(config(home=home))
    whole = build_workload(config())
    assert isinstance(workload, PersonalWorkload)
    assert isinstance(workload, KeepsTensors)
    found = trained(workload)
    assert set(found.parameters) == {"hidden.weight", "hidden.bias"}
    # The first round is that of the whole model: it begins with the same weights.
    other = trained(whole)
    for name in found.parameters:
        np.testing.assert_array_equal(found.parameters[name], other.parameters[name])
    for name in home:
        np.testing.assert_array_equal(workload.home()[name], other.parameters[name])
    less = whole.cost("development").model_bytes - workload.cost("development").model_bytes
    assert less == 4 * (10 * 200 + 10)
    # The second goes on with the node's own head below others' layers.
    again = trained(workload, found.parameters, first=4)
    expected = trained(whole, other.parameters, first=4)
    np.testing.assert_array_equal(again.parameters["hidden.weight"], expected.parameters["hidden.weight"])


def test_another_start_takes_home_what_was_kept() -> None:
    first, second = (build_workload(config("mnist-mlp-bn", home=NORM)) for _ in range(2))
    sent = trained(first).parameters
    second.take_home({name: array.reshape(-1) for name, array in first.home().items()})
    found, expected = (trained(each, sent, first=4) for each in (second, first))
    for name in expected.parameters:
        np.testing.assert_array_equal(found.parameters[name], expected.parameters[name])
    with pytest.raises(ValueError, match="not those that this node keeps"):
        second.take_home({"hidden.weight": np.zeros(3, np.float32)})


def test_ditto_sends_what_fedavg_sends_and_doubles_the_training() -> None:
    plain, ditto = build_workload(config()), build_workload(config(pull=0.5))
    sent, found = trained(plain), trained(ditto)
    for name in sent.parameters:
        np.testing.assert_array_equal(found.parameters[name], sent.parameters[name])
    measured = sum(len(chosen) for _, chosen in mixture(ditto.data, ditto.share))
    assert found.flop == pytest.approx(2 * sent.flop + measured * ditto.task.flop().forward)
    assert ditto.cost("development").flop_per_batch == 2 * plain.cost("development").flop_per_batch
    assert ditto.cost("application").flop_per_batch == plain.cost("application").flop_per_batch


def test_dittos_step_is_that_of_its_loss() -> None:
    """One step of F(v) + lambda/2 |v - w|^2 by autograd (Ditto, Li et al. 2021, algorithm 1)."""
    workload = build_workload(config(pull=0.7))
    own = {name: array + np.float32(0.01) for name, array in initial_parameters("mnist-mlp", 3).items()}
    workload.take_home(own)
    received = initial_parameters("mnist-mlp", 5)
    batch = workload.batch(0, "development")
    workload.train(received, [batch], {"local-epochs": 1})
    model = Mlp()
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in own.items()})
    x, y = workload.task.inputs(batch)
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss = loss + 0.35 * sum(
        ((p - torch.from_numpy(received[name])) ** 2).sum() for name, p in model.named_parameters()
    )
    loss.backward()
    for name, parameter in model.named_parameters():
        expected = (parameter - 0.05 * parameter.grad).detach().numpy()
        np.testing.assert_allclose(workload.home()[name], expected, atol=2e-6)


def test_without_pull_dittos_model_is_the_node_alone() -> None:
    ditto, alone = build_workload(config(pull=0.0)), build_workload(config())
    far = initial_parameters("mnist-mlp", 9)
    trained(ditto, far)
    expected = trained(alone, initial_parameters("mnist-mlp", 3)).parameters
    for name in expected:
        np.testing.assert_allclose(ditto.home()[name], expected[name], atol=1e-6)


def test_a_node_serves_with_its_own_model() -> None:
    ditto, plain = build_workload(config(pull=0.1)), build_workload(config())
    sent = trained(ditto).parameters
    request = ditto.batch(0, "application")
    assert ditto.infer(sent, [request]).correct == plain.infer(ditto.home(), [request]).correct


def test_the_measure_weighs_held_out_examples_by_the_nodes_classes() -> None:
    workload = build_workload(config(home=("output.weight", "output.bias")))
    labels = workload.data.train["labels"][workload.share]
    weights = {int(workload.data.test["labels"][chosen[0]]): part for part, chosen in workload._mixture}
    assert sum(weights.values()) == pytest.approx(1.0)
    for label, part in weights.items():
        assert part == pytest.approx((labels == label).mean())
    found = trained(workload)
    assert 0 <= found.personal_accuracy <= 1


def test_evenly_mixed_the_measure_is_near_that_of_all_held_out_examples() -> None:
    workload = build_workload(config(partition="iid"))
    found = trained(workload)
    central = evaluate("mnist-mlp", "digits", found.parameters).accuracy
    assert found.personal_accuracy == pytest.approx(central, abs=0.02)


def test_the_model_with_normalisation_trains_as_in_the_plain_loop() -> None:
    workload, begun = build_workload(config("mnist-mlp-bn")), initial_parameters("mnist-mlp-bn", 3)
    batches = [workload.batch(k, "development") for k in range(3)]
    found = workload.train(begun, batches, {"local-epochs": 1}).parameters
    model = NormMlp().train()
    load_arrays(model, begun)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    for batch in batches:
        x, y = workload.task.inputs(batch)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()
    for name, array in to_arrays(model).items():
        np.testing.assert_allclose(found[name], array, atol=1e-5)
    assert workload.task.flop() == find_task("mnist-mlp").flop()
