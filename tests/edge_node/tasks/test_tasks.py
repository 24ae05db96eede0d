"""Models of every task: parameters and initial values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edge_node.tasks.flops import parameter_count
from edge_node.tasks.registry import find_task
from tests.edge_node.tasks.shipped import SHIPPED


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


@pytest.mark.parametrize("name", SHIPPED)
def test_initial_parameters_depend_on_the_seed_alone(name):
    task = find_task(name)
    torch.manual_seed(1)
    first, second, other = (task.initial_parameters(seed) for seed in (5, 5, 6))
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert any(not np.array_equal(first[key], other[key]) for key in first)
    assert torch.initial_seed() == 1
