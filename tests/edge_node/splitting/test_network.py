"""``FrameCnn``: a small convolutional network that finds a digit's class in a larger frame."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edge_node.splitting.network import FrameCnn
from edge_node.splitting.partition import Partitioner
from edge_node.tasks.mnist_cnn import Cnn
from tests.edge_node.splitting.networks import Residual, Sized, example


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
