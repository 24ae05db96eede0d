"""Cuts anywhere: exactly equal output, counted operations, refused models."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from edge_node.splitting.partition import Partitioner
from tests.edge_node.splitting.networks import Residual, Sized, example


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
