"""The CNN of MNIST."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edge_node.tasks.mnist_cnn import _is_blocked_quicker
from edge_node.tasks.registry import find_task

QUICK = torch.backends.cpu.get_cpu_capability() == "AVX512"


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


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
@pytest.mark.parametrize("count", [1, 7])
def test_channels_in_blocks_give_the_same_scores_and_gradients(count):
    model = find_task("mnist-cnn").model()
    x, y = torch.randn(count, 1, 28, 28), torch.randint(0, 10, (count,))
    x[0, :, :14] = (
        0.5  # equal neighbours: which of them is the maximum must not matter to the weights' gradients
    )

    def found(scores):
        return [scores, *torch.autograd.grad(F.cross_entropy(scores, y), list(model.parameters()))]

    for usual, blocked in zip(found(model(x)), found(model.blocked(x, torch.float32)), strict=True):
        torch.testing.assert_close(blocked, usual, rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        torch.testing.assert_close(model.blocked(x, torch.float32), model(x), rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(not QUICK, reason="this processor has no AVX-512")
def test_bfloat16_in_blocks_differs_from_float32_as_without_them():
    model = find_task("mnist-cnn").model()
    x = torch.randn(20, 1, 28, 28)
    exact = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        usual, blocked = model(x), model.blocked(x, torch.bfloat16)
    assert blocked.dtype == torch.bfloat16
    assert (blocked - exact).norm() <= 1.2 * (usual - exact).norm()


@pytest.mark.parametrize("capability", ["AVX512", "AVX2"])
def test_what_a_task_answers_is_the_same_on_processors_with_and_without_blocks(monkeypatch, capability):
    if capability == "AVX512" and not QUICK:
        pytest.skip("this processor has no AVX-512")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    _is_blocked_quicker.cache_clear()
    task = find_task("mnist-cnn")
    model, x = task.model(), torch.randn(5, 1, 28, 28)
    assert _is_blocked_quicker(torch.float32) is (capability == "AVX512")
    torch.testing.assert_close(task.output(model, x), model(x), rtol=1e-4, atol=1e-6)
    _is_blocked_quicker.cache_clear()
