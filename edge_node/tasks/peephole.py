"""A layer of peephole LSTM cells with its backward pass written out, quick on a CPU.

    i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + p_i * c_{t-1} + b_i)
    f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + p_f * c_{t-1} + b_f)
    g_t = tanh   (W_xg x_t + W_hg h_{t-1}                 + b_g)
    c_t = f_t * c_{t-1} + i_t * g_t
    o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + p_o * c_t     + b_o)
    h_t = o_t * tanh(c_t)

Source: Gers and Schmidhuber, "Recurrent nets that time and count", IJCNN 2000; notation of Graves,
arXiv:1308.0850, equations 7 to 11 (peephole weights diagonal). The four gates are one matrix product, the
inputs of all times another; in the backward pass the weights' gradients are one product each at the end.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""Output h and cell c of the last step, each (B, H)."""

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


class PeepholeLstm(nn.Module):
    """One layer over a whole sequence. Gates are in the order i, f, g, o; peepholes i, f, o."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.inputs, self.hidden = inputs, hidden
        bound = 1.0 / math.sqrt(hidden)
        self.weight_x = nn.Parameter(torch.empty(4 * hidden, inputs).uniform_(-bound, bound))
        self.weight_h = nn.Parameter(torch.empty(4 * hidden, hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(4 * hidden).uniform_(-bound, bound))
        self.peephole = nn.Parameter(torch.empty(3, hidden).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Inputs (T, B, inputs) to outputs (T, B, hidden), from a state of zeros."""
        outputs: Tensor = _Layer.apply(x, self.weight_x, self.weight_h, self.bias, self.peephole)
        return outputs

    def step(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """The same from a given state, without gradients: outputs and the state after the last step."""
        outputs, cells, _, _ = _run(x, self.weight_x, self.weight_h, self.bias, self.peephole, state)
        return outputs[1:], (outputs[-1], cells[-1])

    def counted_flop(self, inputs: tuple[Any, ...], output: Any) -> float:
        """Operations of the matrix products (edge_node.tasks.flops)."""
        steps = output.numel() // self.hidden
        return 8.0 * self.hidden * (self.inputs + self.hidden) * steps


def _run(
    x: Tensor, weight_x: Tensor, weight_h: Tensor, bias: Tensor, peephole: Tensor, state: State | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Outputs and cells (T + 1, B, H), the start at 0; activated gates (T, B, 4H); tanh(c) (T, B, H)."""
    steps, batch, _ = x.shape
    hidden = weight_h.shape[1]
    outputs = x.new_empty(steps + 1, batch, hidden)
    cells = x.new_empty(steps + 1, batch, hidden)
    squashed = x.new_empty(steps, batch, hidden)
    if state is None:
        outputs[0].zero_()
        cells[0].zero_()
    else:
        outputs[0].copy_(state[0])
        cells[0].copy_(state[1])
    gates = torch.addmm(bias, x.reshape(steps * batch, -1), weight_x.t()).view(steps, batch, 4 * hidden)
    # Copied once: with rows this few, products with a transposed view take twice as long.
    weight_h_t = weight_h.t().contiguous()
    peephole_if, peephole_o = peephole[:2], peephole[2]
    # All views at once: taking them step by step would cost as much as the arithmetic.
    all_if = gates[..., : 2 * hidden].unbind(0)
    for gate, gate_if, parts, h, c_before, c, tanh_c, h_after in zip(
        gates.unbind(0),
        all_if,
        gates.view(steps, batch, 4, hidden).unbind(0),
        outputs[:-1].unbind(0),
        cells[:-1].unbind(0),
        cells[1:].unbind(0),
        squashed.unbind(0),
        outputs[1:].unbind(0),
        strict=True,
    ):
        i, f, g, o = parts.unbind(1)
        gate.addmm_(h, weight_h_t)
        parts[:, :2].addcmul_(peephole_if, c_before.unsqueeze(1))
        gate_if.sigmoid_()
        g.tanh_()
        torch.mul(f, c_before, out=c).addcmul_(i, g)
        o.addcmul_(peephole_o, c).sigmoid_()
        torch.tanh(c, out=tanh_c)
        torch.mul(o, tanh_c, out=h_after)
    return outputs, cells, gates, squashed


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight_x: Tensor, weight_h: Tensor, bias: Tensor, peephole: Tensor
    ) -> Tensor:
        outputs, cells, gates, squashed = _run(x, weight_x, weight_h, bias, peephole, None)
        ctx.save_for_backward(x, weight_x, weight_h, peephole, outputs, cells, gates, squashed)
        return outputs[1:]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor, Tensor]:
        x, weight_x, weight_h, peephole, outputs, cells, gates, squashed = ctx.saved_tensors
        steps, batch, inputs = x.shape
        hidden = weight_h.shape[1]
        d_gates = torch.empty_like(gates)
        d_outputs = gradients[0]
        peephole_i, peephole_f, peephole_o = peephole.unbind(0)
        dh, dc, work = (x.new_empty(batch, hidden) for _ in range(3))
        d_cell = x.new_zeros(batch, hidden)
        parts = gates.view(steps, batch, 4, hidden).unbind(0)
        d_parts = d_gates.view(steps, batch, 4, hidden).unbind(0)
        d_rows, c_rows = d_gates.unbind(0), cells.unbind(0)
        t_rows, dy_rows = squashed.unbind(0), d_outputs.unbind(0)
        for t in range(steps - 1, -1, -1):
            i, f, g, o = parts[t].unbind(1)
            di, df, dg, do = d_parts[t].unbind(1)
            c_before, tanh_c = c_rows[t], t_rows[t]
            if t == steps - 1:
                dh.copy_(dy_rows[t])
            else:
                torch.addmm(dy_rows[t], d_rows[t + 1], weight_h, out=dh)
            _sigmoid_backward(torch.mul(dh, tanh_c, out=work), o, grad_input=do)
            _tanh_backward(torch.mul(dh, o, out=work), tanh_c, grad_input=dc)
            dc.add_(d_cell).addcmul_(do, peephole_o)
            _sigmoid_backward(torch.mul(dc, g, out=work), i, grad_input=di)
            _sigmoid_backward(torch.mul(dc, c_before, out=work), f, grad_input=df)
            _tanh_backward(torch.mul(dc, i, out=work), g, grad_input=dg)
            torch.mul(dc, f, out=d_cell).addcmul_(di, peephole_i).addcmul_(df, peephole_f)
        flat = d_gates.view(steps * batch, 4 * hidden)
        by_gate = d_gates.view(steps * batch, 4, hidden)
        before, after = (c.reshape(steps * batch, hidden) for c in (cells[:-1], cells[1:]))
        d_peephole = torch.stack(
            [(by_gate[:, 0] * before).sum(0), (by_gate[:, 1] * before).sum(0), (by_gate[:, 3] * after).sum(0)]
        )
        d_x = (flat @ weight_x).view(steps, batch, inputs) if ctx.needs_input_grad[0] else None
        return (
            d_x,
            flat.t() @ x.reshape(steps * batch, inputs),
            flat.t() @ outputs[:-1].reshape(steps * batch, hidden),
            flat.sum(0),
            d_peephole,
        )
