"""A layer of peephole LSTM cells with its backward pass written out, quick on a CPU."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_node.tasks.peephole import PeepholeLstm
from tests.edge_node.tasks.peephole_cells import cell_by_cell


@settings(max_examples=20, deadline=None)
@given(steps=st.integers(1, 6), batch=st.integers(1, 4), inputs=st.integers(1, 5), hidden=st.integers(1, 6))
def test_peephole_layer_and_its_gradients_follow_the_equations(steps, batch, inputs, hidden):
    layer = PeepholeLstm(inputs, hidden).double()
    x = torch.randn(steps, batch, inputs, dtype=torch.double, requires_grad=True)
    weights = torch.randn(steps, batch, hidden, dtype=torch.double)
    wanted = [x, *layer.parameters()]
    got, expected = layer(x), cell_by_cell(layer, x)
    torch.testing.assert_close(got, expected)
    for first, second in zip(
        torch.autograd.grad((got * weights).sum(), wanted),
        torch.autograd.grad((expected * weights).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(first, second)


def test_peephole_layer_passes_torchs_gradient_check():
    layer = PeepholeLstm(3, 4).double()
    x = torch.randn(5, 2, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *_: layer(x), (x, *layer.parameters()))


def test_without_peepholes_it_is_torchs_lstm():
    layer, torchs = PeepholeLstm(3, 4), torch.nn.LSTM(3, 4)
    with torch.no_grad():
        layer.peephole.zero_()
        torchs.weight_ih_l0.copy_(layer.weight_x)
        torchs.weight_hh_l0.copy_(layer.weight_h)
        torchs.bias_ih_l0.copy_(layer.bias)
        torchs.bias_hh_l0.zero_()
    x = torch.randn(6, 2, 3)
    torch.testing.assert_close(layer(x), torchs(x)[0])
