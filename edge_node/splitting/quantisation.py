"""Weight quantisation of a ``FrameCnn`` after training: int8 throughout, or int4 weights alone.

``IntegerCnn`` computes with integers: weights int8 with one scale per output channel, activations uint8 with one scale
per layer, sums int32 (Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", arXiv:1712.05877). Between layers a sum is multiplied by its scales, rounded and
cut to 0..255, which is also the ReLU. ``with_int4_weights`` is a network in float32 whose weights take only 15 values
per output channel: fewer bytes, the same operations.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_node.splitting.network import OFFSET, SCALE, FrameCnn

INT8_LEVELS, INT4_LEVELS = 127, 7
"""Largest weight; symmetric, so that zero is exact."""
ACTIVATION_LEVELS = 255
PIXEL_ZERO = round(OFFSET)
"""Grey level that stands for zero, and fills the border."""
_SCALE_BYTES = _BIAS_BYTES = 4


def quantised_weight(weight: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """Whole numbers -levels..levels (out, ...), int32, and the scale of each output channel (out,), float32."""
    largest = weight.detach().abs().flatten(1).amax(dim=1)
    # A channel of zeros has no range; any positive scale restores it exactly.
    scale = torch.where(largest > 0, largest / levels, torch.ones_like(largest))
    shape = (-1,) + (1,) * (weight.dim() - 1)
    return torch.round(weight.detach() / scale.view(shape)).to(torch.int32), scale


def with_int4_weights(model: FrameCnn) -> FrameCnn:
    """A copy of ``model`` whose convolutions and dense layers have weights on an int4 grid; it runs in float32."""
    found = copy.deepcopy(model)
    with torch.no_grad():
        for layer in _layers(found):
            codes, scale = quantised_weight(layer.weight, INT4_LEVELS)
            shape = (-1,) + (1,) * (layer.weight.dim() - 1)
            layer.weight.copy_(codes * scale.view(shape))
    return found


def model_bytes(model: FrameCnn, weight_bits: int) -> int:
    """Bytes of the parameters: weights of 4, 8 or 32 bits; below 32 a float32 scale per output channel; biases 4 bytes.

    Raises:
        ValueError: another number of bits.
    """
    if weight_bits not in (4, 8, 32):
        raise ValueError(f"weight_bits is {weight_bits}; allowed are 4, 8 and 32")
    total = 0
    for layer in _layers(model):
        channels = layer.weight.shape[0]
        total += -(-layer.weight.numel() * weight_bits // 8) + _BIAS_BYTES * channels
        total += _SCALE_BYTES * channels if weight_bits < 32 else 0
    return total


class IntegerCnn(nn.Module):
    """A ``FrameCnn`` in integers: frames (B, 1, 48, 48) uint8 -> class scores (B, classes) float32.

    Args:
        model: Trained; left as it is.
        activation_scales: What one step of 0..255 stands for behind every ReLU, ``activation_scales(model, frames)``.

    Raises:
        ValueError: another number of scales than ``model`` has ReLUs.
    """

    def __init__(self, model: FrameCnn, activation_scales: list[float]) -> None:
        super().__init__()
        layers = _layers(model)
        if len(activation_scales) != len(layers) - 1:
            raise ValueError(
                f"{len(activation_scales)} scales for {len(layers) - 1} ReLUs; give one for each"
            )
        self._kinds = [isinstance(layer, nn.Conv2d) for layer in layers]
        self._weights: list[Tensor] = []
        self._biases: list[Tensor] = []
        self._factors: list[Tensor] = []
        """Of a sum, to the next layer's units; of the last layer, to class scores."""
        scale_in = SCALE
        for layer, scale_out in zip(layers, [*activation_scales, 1.0], strict=True):
            codes, scale = quantised_weight(layer.weight, INT8_LEVELS)
            of_sum = scale.to(torch.float64) * scale_in
            assert layer.bias is not None  # FrameCnn's layers have one
            self._weights.append(codes)
            self._biases.append(torch.round(layer.bias.detach().to(torch.float64) / of_sum).to(torch.int32))
            self._factors.append(of_sum / scale_out)
            scale_in = scale_out

    def forward(self, pixels: Tensor) -> Tensor:
        x = pixels.to(torch.int32) - PIXEL_ZERO
        last = len(self._weights) - 1
        for index, is_convolution in enumerate(self._kinds):
            weight, bias = self._weights[index], self._biases[index]
            total = _convolved(x, weight, bias) if is_convolution else x.flatten(1) @ weight.T + bias
            if index == last:
                return (total.to(torch.float64) * self._factors[index]).to(torch.float32)
            shape = (1, -1) + (1,) * (total.dim() - 2)
            scaled = torch.round(total.to(torch.float64) * self._factors[index].view(shape))
            x = scaled.clamp(0, ACTIVATION_LEVELS).to(torch.int32)
            if is_convolution:
                x = x.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).amax(dim=(-3, -1))  # 2 x 2 max pooling
        raise AssertionError("a FrameCnn has layers")


def _convolved(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """3 x 3 convolution of integers (B, C, H, W), int32, padded with zeros: sums (B, out, H, W), int32."""
    height, width = x.shape[-2:]
    seen = F.pad(x, (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1)  # (B, C, H, W, 3, 3)
    rows = seen.permute(0, 2, 3, 1, 4, 5).reshape(-1, weight[0].numel())
    sums = rows @ weight.flatten(1).T + bias
    return sums.view(len(x), height, width, -1).permute(0, 3, 1, 2)


@torch.no_grad()
def activation_scales(model: FrameCnn, frames: Tensor) -> list[float]:
    """What one step of 0..255 stands for behind every ReLU: its largest value over ``frames`` is 255 steps.

    Args:
        model: Trained.
        frames: (N, 1, 48, 48) uint8, of the training set.

    Raises:
        ValueError: no frames.
    """
    if len(frames) == 0:
        raise ValueError("no frames to take the ranges of activations from; give some of the training set")
    found: list[float] = []
    x = model.scaled(frames)
    for layer in [*model.features, *model.head]:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            found.append(max(float(x.max()), 1e-6) / ACTIVATION_LEVELS)
    return found


def _layers(model: FrameCnn) -> list[nn.Conv2d | nn.Linear]:
    return [layer for layer in [*model.features, *model.head] if isinstance(layer, nn.Conv2d | nn.Linear)]
