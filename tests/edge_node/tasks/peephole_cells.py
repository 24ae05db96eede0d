"""The peephole layer cell by cell, as its equations are written."""

from __future__ import annotations

import torch

from edge_node.tasks.peephole import PeepholeLstm


def cell_by_cell(layer: PeepholeLstm, x: torch.Tensor) -> torch.Tensor:
    h = c = x.new_zeros(x.shape[1], layer.hidden)
    outputs = []
    for x_t in x:
        gates = x_t @ layer.weight_x.t() + h @ layer.weight_h.t() + layer.bias
        i, f, g, o = gates.chunk(4, dim=1)
        i = torch.sigmoid(i + layer.peephole[0] * c)
        f = torch.sigmoid(f + layer.peephole[1] * c)
        c = f * c + i * torch.tanh(g)
        o = torch.sigmoid(o + layer.peephole[2] * c)
        h = o * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs)
