"""Semantic compression at a cut: a 1 x 1 convolution to few channels, quantised; the server's undoes it.

What crosses are codes of ``bits`` bits and their range per example, two 32-bit floats. Encoder and decoder start as
the features' principal components. In training the rounding passes gradients straight through, so that both and the
server's part adapt to it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

ALLOWED_BITS = (4, 8)
_RANGE_BYTES = 8


class Bottleneck(nn.Module):
    """Encoder, quantiser and decoder for features (B, C, H, W).

    Args:
        channels: C of the features.
        code_channels: Channels that cross.
        bits: 4 or 8 per value.
    """

    def __init__(self, channels: int, code_channels: int, bits: int) -> None:
        super().__init__()
        if bits not in ALLOWED_BITS:
            raise ValueError(f"bits is {bits}; allowed are {ALLOWED_BITS}")
        self.channels, self.code_channels, self.bits = channels, code_channels, bits
        self.encoder = nn.Conv2d(channels, code_channels, kernel_size=1)
        self.decoder = nn.Conv2d(code_channels, channels, kernel_size=1)

    @property
    def levels(self) -> int:
        """Largest code."""
        return 2**self.bits - 1

    def codes(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """What the terminal computes: codes (B, c, H, W) uint8 in 0..levels, and ranges (B, 2), float32."""
        squeezed = self.encoder(features)
        ranges = self._ranges(squeezed)
        low, step = self._grid(ranges)
        return torch.round((squeezed - low) / step).to(torch.uint8), ranges

    def restored(self, codes: Tensor, ranges: Tensor) -> Tensor:
        """What the server makes of it: features (B, C, H, W), non-negative as behind a ReLU."""
        low, step = self._grid(ranges)
        return torch.relu(self.decoder(codes.to(torch.float32) * step + low))

    def forward(self, features: Tensor) -> Tensor:
        """Both ends in one, differentiable."""
        squeezed = self.encoder(features)
        low, step = self._grid(self._ranges(squeezed))
        rounded = torch.round((squeezed - low) / step) * step + low
        return torch.relu(self.decoder(squeezed + (rounded - squeezed).detach()))

    @torch.no_grad()
    def start_from(self, features: Tensor) -> None:
        """Set encoder and decoder to the principal components of ``features`` (B, C, H, W)."""
        rows = features.movedim(1, -1).reshape(-1, self.channels).to(torch.float64)
        mean = rows.mean(dim=0)
        spread = (rows - mean).T @ (rows - mean)
        axes = torch.linalg.eigh(spread).eigenvectors.flip(1)[:, : self.code_channels]
        # An eigenvector's sign is arbitrary; fixed, so that the same data start the same.
        largest = axes.abs().argmax(dim=0)
        axes = axes * torch.sign(axes[largest, torch.arange(axes.shape[1])])
        assert self.encoder.bias is not None  # both were made with one
        assert self.decoder.bias is not None
        self.encoder.weight.copy_(axes.T[:, :, None, None])
        self.encoder.bias.copy_(-(axes.T @ mean))
        self.decoder.weight.copy_(axes[:, :, None, None])
        self.decoder.bias.copy_(mean)

    def flop(self, height: int, width: int) -> tuple[float, float]:
        """Operations of encoder and decoder for one example."""
        one = 2.0 * self.channels * self.code_channels * height * width
        return one, one

    def num_bytes(self, height: int, width: int) -> int:
        """Bytes that cross for one example, without framing."""
        return _RANGE_BYTES + -(-self.code_channels * height * width * self.bits // 8)

    @staticmethod
    def _ranges(squeezed: Tensor) -> Tensor:
        low, high = torch.aminmax(squeezed.detach().flatten(1), dim=1)
        # A constant map has no range; any positive one restores it exactly.
        return torch.stack([low, torch.maximum(high, low + 1e-6)], dim=1)

    def _grid(self, ranges: Tensor) -> tuple[Tensor, Tensor]:
        low, high = ranges[:, 0].view(-1, 1, 1, 1), ranges[:, 1].view(-1, 1, 1, 1)
        return low, ((high - low) / self.levels).clamp_min(1e-12)


def pack(codes: NDArray[np.uint8], ranges: tuple[float, float], bits: int) -> bytes:
    """Codes of one example and their range: two little-endian float32, then codes, two to a byte at 4 bits."""
    flat: NDArray[np.uint8] = codes.reshape(-1)
    if bits == 4:
        if flat.size % 2:
            flat = np.append(flat, np.uint8(0))
        flat = ((flat[0::2] << 4) | flat[1::2]).astype(np.uint8)
    return np.array(ranges, "<f4").tobytes() + flat.astype(np.uint8).tobytes()


def unpack(data: bytes, shape: tuple[int, ...], bits: int) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """The inverse of ``pack``.

    Raises:
        ValueError: a length that does not fit ``shape``, or a range that is none.
    """
    count = int(np.prod(shape))
    expected = _RANGE_BYTES + -(-count * bits // 8)
    if len(data) != expected:
        raise ValueError(
            f"compressed features of shape {shape} at {bits} bits take {expected} bytes, got {len(data)}"
        )
    low, high = (float(value) for value in np.frombuffer(data, "<f4", 2))
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise ValueError(
            f"range of compressed features is {low} to {high}; allowed are finite numbers in order"
        )
    raw = np.frombuffer(data, np.uint8, offset=_RANGE_BYTES)
    if bits == 4:
        raw = np.stack([raw >> 4, raw & 15], axis=1).reshape(-1)[:count]
    return raw.reshape(shape).copy(), (low, high)
