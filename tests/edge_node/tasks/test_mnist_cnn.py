"""The CNN of MNIST."""

from __future__ import annotations

import torch
from torch import nn

from edge_node.tasks.registry import find_task


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
