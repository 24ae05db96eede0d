"""Interface of a task: a data set, a model, a loss and how its work is counted. One file a task."""

from __future__ import annotations

import numpy as np
import pytest

from edge_node.tasks.registry import find_task
from edge_node.tasks.state import load_arrays, to_arrays
from tests.edge_node.tasks.shipped import SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
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
