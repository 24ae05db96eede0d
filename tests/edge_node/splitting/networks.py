"""Networks with branches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_node.splitting.network import FrameCnn


class Residual(nn.Module):
    """Two branches and a parameter used directly: two tensors cross inside the block."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.gain = nn.Parameter(torch.tensor(0.5))
        self.out = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        x = x + self.gain * self.second(x)
        return self.out(x.mean(dim=(2, 3)))


class Sized(nn.Module):
    """A size computed early and used late: no cut between."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.size(0)
        return self.layer(x).view(rows, 4)


def example(model: nn.Module) -> Tensor:
    if isinstance(model, FrameCnn):
        return torch.randint(0, 256, (1, 1, 48, 48), dtype=torch.uint8)
    return torch.randn(2, 4) if isinstance(model, Sized) else torch.randn(1, 1, 28, 28)
