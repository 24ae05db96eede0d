"""Structured width pruning: whole channels go, the network that is left is a smaller dense one.

Channels are kept by the L1 norm of their filters (Li et al., "Pruning filters for efficient ConvNets", ICLR 2017);
what remains needs a little fine-tuning.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_node.splitting.network import FrameCnn


def pruned(model: FrameCnn, width_fraction: float) -> FrameCnn:
    """A new network with that share of the channels of every convolution, and their weights.

    Args:
        model: Left as it is.
        width_fraction: 0 < share <= 1; at least one channel stays.

    Raises:
        ValueError: a share outside these limits.
    """
    if not 0 < width_fraction <= 1:
        raise ValueError(f"width_fraction is {width_fraction}; allowed is 0 < share <= 1")
    widths = tuple(max(1, round(width_fraction * width)) for width in model.widths)
    dense, output = _linear(model, 1), _linear(model, 3)
    small = FrameCnn(widths, dense.out_features, output.out_features)
    kept = torch.arange(1)
    with torch.no_grad():
        for old, new in zip(_convolutions(model), _convolutions(small), strict=True):
            filters = old.weight[:, kept]
            inputs = kept
            kept = _strongest(filters, new.out_channels)
            new.weight.copy_(old.weight[kept][:, inputs])
            assert old.bias is not None  # FrameCnn's convolutions have one
            assert new.bias is not None
            new.bias.copy_(old.bias[kept])
        per_channel = dense.in_features // model.widths[-1]
        columns = dense.weight.view(dense.out_features, model.widths[-1], per_channel)[:, kept]
        _linear(small, 1).weight.copy_(columns.reshape(dense.out_features, -1))
        _linear(small, 1).bias.copy_(dense.bias)
        _linear(small, 3).load_state_dict(output.state_dict())
    return small


def _strongest(filters: Tensor, count: int) -> Tensor:
    """Indices, ascending, of the filters with the largest L1 norm; ties go to the first."""
    norms = filters.abs().sum(dim=(1, 2, 3))
    return torch.sort(norms, descending=True, stable=True).indices[:count].sort().values


def _convolutions(model: FrameCnn) -> list[nn.Conv2d]:
    return [layer for layer in model.features if isinstance(layer, nn.Conv2d)]


def _linear(model: FrameCnn, index: int) -> nn.Linear:
    layer = model.head[index]
    assert isinstance(layer, nn.Linear)
    return layer
