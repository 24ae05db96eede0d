"""What every operation of a model costs: operations counted, milliseconds measured here, joules on the board."""

from __future__ import annotations

import pytest
from torch import nn

from edge_node.splitting.network import FrameCnn
from edge_node.splitting.parameters import default_terminal
from edge_node.splitting.partition import Partitioner
from edge_node.splitting.profile import profile
from edge_node.tasks.flops import count_flop
from edge_node.tasks.mnist_cnn import Cnn
from tests.edge_node.splitting.networks import example


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
