"""Cuts anywhere: exactly equal output, counted operations, refused models."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edge_node.splitting.network import FrameCnn
from edge_node.splitting.parameters import default_terminal
from edge_node.splitting.partition import Partitioner
from edge_node.splitting.profile import profile
from edge_node.tasks.flops import count_flop
from edge_node.tasks.mnist_cnn import Cnn


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


@pytest.mark.parametrize("kind", [FrameCnn, Cnn, Residual, Sized])
def test_every_cut_gives_exactly_the_models_output(kind: type[nn.Module]) -> None:
    torch.manual_seed(1)
    model = kind().eval()
    x = example(model)
    partitioner = Partitioner(model, x)
    cuts = partitioner.cut_points()
    with torch.no_grad():
        expected = model(x)
        for cut in cuts:
            parts = partitioner.split(cut.position)
            crossing = parts.terminal(x)
            assert [tuple(t.shape) for t in crossing] == [spec.shape for spec in cut.specs]
            assert torch.equal(parts.server(*crossing), expected)
    assert cuts[0].after == "input"
    assert cuts[-1].position == len(partitioner.operations)


def test_branches_cross_together() -> None:
    model = Residual()
    cut = Partitioner(model, example(model)).cut_after("second")
    assert len(cut.specs) == 2


def test_no_cut_where_a_size_would_cross() -> None:
    model = Sized()
    partitioner = Partitioner(model, example(model))
    positions = [cut.position for cut in partitioner.cut_points()]
    missing = set(range(len(partitioner.operations) + 1)) - set(positions)
    assert missing
    with pytest.raises(ValueError, match="no tensor"):
        partitioner.split(missing.pop())
    with pytest.raises(ValueError, match="position"):
        partitioner.split(99)
    with pytest.raises(ValueError, match="allowed are"):
        partitioner.cut_after("nowhere")


def test_models_of_two_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="one tensor"):
        Partitioner(nn.Bilinear(2, 2, 2), torch.zeros(1, 2))


@pytest.mark.parametrize("kind", [FrameCnn, Cnn])
def test_profile_counts_what_the_layers_count(kind: type[nn.Module]) -> None:
    model = kind()
    x = example(model)
    partitioner = Partitioner(model, x)
    terminal = default_terminal()
    operations = profile(partitioner, x, terminal, repeats=1)
    flop = count_flop(model, x).forward
    assert sum(o.flop for o in operations) == pytest.approx(flop)
    assert sum(o.board_j for o in operations) == pytest.approx(flop * terminal.j_per_flop)
