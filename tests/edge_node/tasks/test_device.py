"""The device on which a node computes, and that no task leaves a tensor behind on the processor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edge_node.tasks import device
from edge_node.tasks.device import DeviceError, available, find_device
from edge_node.tasks.registry import find_task
from edge_node.tasks.steps import StepOptions
from tests.edge_node.tasks.own import examples_of_tasks
from tests.edge_node.tasks.shipped import SHIPPED


def test_what_is_not_here_is_refused_with_what_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "available", lambda: ("cpu",))
    assert find_device("cpu") == find_device("auto") == torch.device("cpu")
    with pytest.raises(
        DeviceError, match=r'device "cuda" is not here: torch .*; here is cpu: give device = "cpu"'
    ):
        find_device("cuda")
    with pytest.raises(DeviceError, match='device "mps" is not here: torch sees no Apple GPU'):
        find_device("mps")
    with pytest.raises(DeviceError, match="'tpu'; allowed are cpu, cuda, mps, auto"):
        find_device("tpu")


def test_the_quickest_device_is_taken_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert available() == ("cuda", "cpu")
    assert find_device("auto") == find_device("cuda") == torch.device("cuda")


@pytest.mark.parametrize("name", [*SHIPPED, "images", "tokens", "table"])
def test_a_step_and_an_answer_stay_on_the_models_device(name: str) -> None:
    """On ``meta``, a device without values, where a tensor of the processor in any operation is an error."""
    task = find_task(name) if name in SHIPPED else getattr(examples_of_tasks, name)
    data = task.dataset(task.default_data)
    batch = {key: array[:3] for key, array in data.train.items()}
    model = task.model().to("meta")
    x, y = task.placed(model, batch)
    assert y.is_meta
    loss = task.steps(model.train(), StepOptions(learning_rate=0.1, proximal_mu=0.1))(x, y, 0)
    assert loss.is_meta
    assert loss.shape == ()
    assert all(parameter.is_meta for parameter in model.parameters())
    with torch.inference_mode():
        assert task.output(model.eval(), x).is_meta
    assert np.isfinite(task.flop().train)
