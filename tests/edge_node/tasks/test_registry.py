"""Tasks by name. A task of one's own needs no entry: name it ``package.module:Name``."""

from __future__ import annotations

import pytest

from edge_node.tasks.base import Task
from edge_node.tasks.registry import TASKS, find_task


def test_tasks_are_found_by_name_or_by_path():
    assert isinstance(find_task("mnist-mlp"), Task)
    assert find_task("edge_node.tasks.mnist_cnn:MnistCnn").name == "mnist-cnn"
    for wrong, words in [
        ("mnist-rnn", "mnist-mlp"),
        ("no.such.package:Task", "cannot be loaded"),
        ("edge_node.tasks.mnist_cnn:Absent", "cannot be loaded"),
        ("edge_node.tasks.mnist_cnn:Cnn", "not an edge_node"),
        (
            "edge_node.tasks.own.torch_task:TorchTask",
            "cannot be made: TypeError: .*'model_fn'.* into a variable",
        ),
    ]:
        with pytest.raises(ValueError, match=words):
            find_task(wrong)


def test_registry_names_are_the_tasks_own():
    assert all(find_task(name).name == name for name in TASKS)
