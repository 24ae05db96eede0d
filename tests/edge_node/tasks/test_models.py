import numpy as np
import pytest
import torch
from torch import nn

from edge_node.tasks.base import Task, load_arrays, to_arrays
from edge_node.tasks.flops import parameter_count
from edge_node.tasks.registry import TASKS, find_task


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("mnist-mlp", 159_010),
        ("mnist-cnn", 85_822),
        ("mnist-cnn-62", 90_242),
        ("shakespeare-lstm", 866_578),
        ("shakespeare-lstm-plain", 867_090),
    ],
)
def test_models_have_the_parameters_of_the_paper(name, parameters):
    assert parameter_count(find_task(name).model()) == parameters


def test_the_cnn_equals_the_usual_order_of_layers():
    model = find_task("mnist-cnn").model()
    usual = nn.Sequential(
        nn.Conv2d(1, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )
    with torch.no_grad():
        for own, other in zip(model.parameters(), usual.parameters(), strict=True):
            other.copy_(own)
    x = torch.randn(7, 1, 28, 28)
    torch.testing.assert_close(model(x), usual(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TASKS)
def test_initial_parameters_depend_on_the_seed_alone(name):
    task = find_task(name)
    torch.manual_seed(1)
    first, second, other = (task.initial_parameters(seed) for seed in (5, 5, 6))
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert any(not np.array_equal(first[key], other[key]) for key in first)
    assert torch.initial_seed() == 1


@pytest.mark.parametrize("name", TASKS)
def test_parameters_travel_through_a_model_unchanged(name):
    task = find_task(name)
    sent = task.initial_parameters(3)
    for array in sent.values():
        array.flags.writeable = False
    model = task.model()
    load_arrays(model, sent)
    back = to_arrays(model)
    assert list(back) == list(sent)
    assert all(np.array_equal(back[key], sent[key]) and back[key].dtype == np.float32 for key in sent)


def test_parameters_of_another_model_are_refused():
    model = find_task("mnist-mlp").model()
    with pytest.raises(ValueError, match="do not fit Mlp"):
        load_arrays(model, find_task("mnist-cnn").initial_parameters(0))
    wrong = {**find_task("mnist-mlp").initial_parameters(0), "output.bias": np.zeros(62, np.float32)}
    with pytest.raises(ValueError, match=r"output.bias.*\(62,\)"):
        load_arrays(model, wrong)


def test_models_with_hidden_state_are_refused():
    with pytest.raises(ValueError, match="batch norm"):
        to_arrays(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))


def test_tasks_are_found_by_name_or_by_path():
    assert isinstance(find_task("mnist-mlp"), Task)
    assert find_task("edge_node.tasks.mnist_cnn:MnistCnn").name == "mnist-cnn"
    for wrong, words in [
        ("mnist-rnn", "mnist-mlp"),
        ("no.such.package:Task", "cannot be loaded"),
        ("edge_node.tasks.mnist_cnn:Absent", "cannot be loaded"),
        ("edge_node.tasks.mnist_cnn:Cnn", "not an edge_node"),
    ]:
        with pytest.raises(ValueError, match=words):
            find_task(wrong)


def test_registry_names_are_the_tasks_own():
    assert all(find_task(name).name == name for name in TASKS)
