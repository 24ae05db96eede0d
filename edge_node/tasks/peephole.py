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
_AT_ONCE = 8
"""Times whose factors are computed together: they stay in the cache."""


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
        outputs, cells, _, _ = _run(x, self.weight_x, self.weight_h, self.bias, self.peephole, state, x.dtype)
        return outputs[1:], (outputs[-1], cells[-1])

    def counted_flop(self, inputs: tuple[Any, ...], output: Any) -> float:
        """Operations of the matrix products (edge_node.tasks.flops)."""
        steps = output.numel() // self.hidden
        return 8.0 * self.hidden * (self.inputs + self.hidden) * steps


def _run(
    x: Tensor,
    weight_x: Tensor,
    weight_h: Tensor,
    bias: Tensor,
    peephole: Tensor,
    state: State | None,
    precision: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Outputs and cells (T + 1, B, H), the start at 0; activated gates (T, B, 4H); tanh(c) (T, B, H).

    ``precision``: of the products.
    """
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
    rounding = precision != x.dtype
    flat = x.reshape(steps * batch, -1)
    if rounding:
        gates = (flat.to(precision) @ weight_x.to(precision).t()).to(x.dtype).add_(bias)
    else:
        gates = torch.addmm(bias, flat, weight_x.t())
    gates = gates.view(steps, batch, 4 * hidden)
    # Copied once: with rows this few, products with a transposed view take twice as long.
    weight_h_t = weight_h.t().to(precision).contiguous()
    rounded_h, product = (x.new_empty(batch, size, dtype=precision) for size in (hidden, 4 * hidden))
    peephole_if, peephole_o = peephole[:2], peephole[2]
    by_gate = gates.view(steps, batch, 4, hidden)
    # tanh(x) = 2 sigmoid(2 x) - 1, which is more than twice as quick as torch's.
    minus_one = x.new_full((), -1.0)
    # All views at once: taking them step by step would cost as much as the arithmetic.
    for gate, gate_if, pair_if, i, f, g, o, h, c_before, c_beside, c, tanh_c, h_after in zip(
        gates.unbind(0),
        gates[..., : 2 * hidden].unbind(0),
        by_gate[:, :, :2].unbind(0),
        *(part.unbind(0) for part in by_gate.unbind(2)),
        outputs[:-1].unbind(0),
        cells[:-1].unbind(0),
        cells[:-1].unsqueeze(2).unbind(0),
        cells[1:].unbind(0),
        squashed.unbind(0),
        outputs[1:].unbind(0),
        strict=True,
    ):
        if rounding:
            gate.add_(torch.mm(rounded_h.copy_(h), weight_h_t, out=product))
        else:
            gate.addmm_(h, weight_h_t)
        pair_if.addcmul_(peephole_if, c_beside)
        gate_if.sigmoid_()
        torch.add(minus_one, torch.add(g, g, out=g).sigmoid_(), alpha=2.0, out=g)
        torch.mul(f, c_before, out=c).addcmul_(i, g)
        o.addcmul_(peephole_o, c).sigmoid_()
        torch.add(minus_one, torch.add(c, c, out=tanh_c).sigmoid_(), alpha=2.0, out=tanh_c)
        torch.mul(o, tanh_c, out=h_after)
    return outputs, cells, gates, squashed


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight_x: Tensor, weight_h: Tensor, bias: Tensor, peephole: Tensor
    ) -> Tensor:
        ctx.precision = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
        with torch.autocast("cpu", enabled=False):
            outputs, cells, gates, squashed = _run(x, weight_x, weight_h, bias, peephole, None, ctx.precision)
        ctx.save_for_backward(x, weight_x, weight_h, peephole, outputs, cells, gates, squashed)
        return outputs[1:]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor, Tensor]:
        x, weight_x, weight_h, peephole, outputs, cells, gates, squashed = ctx.saved_tensors
        steps, batch, inputs = x.shape
        hidden = weight_h.shape[1]
        d_gates, rounded, d_peephole = _back_through_time(
            gradients[0], weight_h, peephole, cells, gates, squashed, ctx.precision
        )
        flat = rounded.view(steps * batch, 4 * hidden)
        before, read = (rows.reshape(steps * batch, -1).to(ctx.precision) for rows in (outputs[:-1], x))
        d_x = (flat @ weight_x.to(ctx.precision)).to(x.dtype) if ctx.needs_input_grad[0] else None
        return (
            None if d_x is None else d_x.view(steps, batch, inputs),
            # In this order: with few inputs the other one takes ten times as long.
            (read.t() @ flat).t().to(x.dtype).contiguous(),
            (flat.t() @ before).to(x.dtype),
            d_gates.view(steps * batch, 4 * hidden).sum(0),
            d_peephole,
        )


def _back_through_time(
    d_outputs: Tensor,
    weight_h: Tensor,
    peephole: Tensor,
    cells: Tensor,
    gates: Tensor,
    squashed: Tensor,
    precision: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the gates before activation (T, B, 4H), the same in ``precision``, and of the peepholes (3, H).

    All of them are the gradient of c_t (of h_t for o) times a factor that needs no gradient. Factors are computed for
    several times at once, which leaves one product and four operations a time.
    """
    steps, batch, hidden = squashed.shape
    d_gates = torch.empty_like(gates)
    rounding = precision != gates.dtype
    rounded = torch.empty_like(gates, dtype=precision) if rounding else d_gates
    weight_h, product = weight_h.to(precision), squashed.new_empty(batch, hidden, dtype=precision)
    parts, d_parts = gates.view(steps, batch, 4, hidden), d_gates.view(steps, batch, 4, hidden)
    to_cell, to_before = (squashed.new_empty(_AT_ONCE, batch, hidden) for _ in range(2))
    d_output, d_cell = (squashed.new_empty(batch, hidden) for _ in range(2))
    d_before = squashed.new_zeros(batch, hidden)
    d_cell_beside = d_cell.unsqueeze(1)
    d_if, d_o = squashed.new_zeros(batch, 2, hidden), squashed.new_zeros(batch, hidden)
    peephole_i, peephole_f, peephole_o = peephole.unbind(0)
    for stop in range(steps, 0, -_AT_ONCE):
        start = max(0, stop - _AT_ONCE)
        count, now = stop - start, slice(start, stop)
        i, f, g, o = parts[now].unbind(2)
        to_i, to_f, to_g, to_o = d_parts[now].unbind(2)
        _sigmoid_backward(squashed[now], o, grad_input=to_o)
        _tanh_backward(o, squashed[now], grad_input=to_cell[:count]).addcmul_(to_o, peephole_o)
        _sigmoid_backward(g, i, grad_input=to_i)
        _sigmoid_backward(cells[now], f, grad_input=to_f)
        _tanh_backward(i, g, grad_input=to_g)
        torch.addcmul(f, to_i, peephole_i, out=to_before[:count]).addcmul_(to_f, peephole_f)
        rows = zip(
            range(start, stop),
            d_parts[now, :, :3].unbind(0),
            d_parts[now, :, :2].unbind(0),
            to_o.unbind(0),
            cells[now].unsqueeze(2).unbind(0),
            cells[start + 1 : stop + 1].unbind(0),
            to_cell.unbind(0)[:count],
            to_before.unbind(0)[:count],
            d_outputs[now].unbind(0),
            strict=True,
        )
        for t, of_cell, pair_if, of_o, c_beside, c, factor, before, d_later in reversed(list(rows)):
            if t == steps - 1:
                d_output.copy_(d_later)
            elif rounding:
                torch.add(d_later, torch.mm(rounded[t + 1], weight_h, out=product), out=d_output)
            else:
                torch.addmm(d_later, d_gates[t + 1], weight_h, out=d_output)
            torch.addcmul(d_before, d_output, factor, out=d_cell)
            of_cell.mul_(d_cell_beside)
            of_o.mul_(d_output)
            torch.mul(d_cell, before, out=d_before)
            d_if.addcmul_(pair_if, c_beside)
            d_o.addcmul_(of_o, c)
            if rounding:
                rounded[t].copy_(d_gates[t])
    return d_gates, rounded, torch.cat((d_if.sum(0), d_o.sum(0, keepdim=True)))
