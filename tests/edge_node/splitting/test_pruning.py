"""Structured width pruning: whole channels go, the network that is left is a smaller dense one."""

from __future__ import annotations

import pytest
import torch

from edge_node.splitting.network import FrameCnn
from edge_node.splitting.pruning import pruned
from edge_node.tasks.flops import count_flop


def test_pruning_keeps_what_it_keeps() -> None:
    torch.manual_seed(0)
    model = FrameCnn()
    x = torch.randint(0, 256, (2, 1, 48, 48), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.allclose(pruned(model, 1.0)(x), model(x), atol=1e-5)
    half = pruned(model, 0.5)
    assert half.widths == tuple(width // 2 for width in model.widths)
    assert count_flop(half, x[:1]).forward < 0.35 * count_flop(model, x[:1]).forward
    with pytest.raises(ValueError, match="width_fraction"):
        pruned(model, 0.0)


def test_pruning_dead_channels_changes_nothing() -> None:
    torch.manual_seed(0)
    model = FrameCnn()
    with torch.no_grad():
        for layer in model.features:
            if isinstance(layer, torch.nn.Conv2d):
                layer.weight[::2] = 0
                layer.bias[::2] = 0
        x = torch.randint(0, 256, (2, 1, 48, 48), dtype=torch.uint8)
        assert torch.allclose(pruned(model, 0.5)(x), model(x), atol=1e-5)
