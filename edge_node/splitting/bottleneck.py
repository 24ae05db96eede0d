"""Semantic compression at a cut: a 1 x 1 convolution to few channels, quantised; the server's undoes it.

What crosses are codes of ``bits`` bits and one scale per example, a 32-bit float. In training the rounding passes
gradients straight through, so that encoder, decoder and the server's part learn to live with it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

ALLOWED_BITS = (4, 8)
_SCALE_BYTES = 4


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
        """What the terminal computes: codes (B, c, H, W) uint8 in 0..levels, and scales (B,) float32."""
        squeezed = torch.relu(self.encoder(features))
        scale = self._scale(squeezed)
        codes = torch.round(squeezed / scale.view(-1, 1, 1, 1) * self.levels)
        return codes.to(torch.uint8), scale

    def restored(self, codes: Tensor, scale: Tensor) -> Tensor:
        """What the server makes of it: features (B, C, H, W)."""
        values = codes.to(torch.float32) * (scale.view(-1, 1, 1, 1) / self.levels)
        return torch.relu(self.decoder(values))

    def forward(self, features: Tensor) -> Tensor:
        """Both ends in one, differentiable."""
        squeezed = torch.relu(self.encoder(features))
        step = self._scale(squeezed).view(-1, 1, 1, 1) / self.levels
        rounded = torch.round(squeezed / step) * step
        return torch.relu(self.decoder(squeezed + (rounded - squeezed).detach()))

    def flop(self, height: int, width: int) -> tuple[float, float]:
        """Operations of encoder and decoder for one example."""
        one = 2.0 * self.channels * self.code_channels * height * width
        return one, one

    def num_bytes(self, height: int, width: int) -> int:
        """Bytes that cross for one example, without framing."""
        return _SCALE_BYTES + -(-self.code_channels * height * width * self.bits // 8)

    @staticmethod
    def _scale(squeezed: Tensor) -> Tensor:
        # An all-zero map has no range; any positive scale restores it exactly.
        return squeezed.detach().amax(dim=(1, 2, 3)).clamp_min(1e-6)


def pack(codes: NDArray[np.uint8], scale: float, bits: int) -> bytes:
    """Codes of one example and its scale as bytes: little-endian float32, then codes, two to a byte at 4 bits."""
    flat: NDArray[np.uint8] = codes.reshape(-1)
    if bits == 4:
        if flat.size % 2:
            flat = np.append(flat, np.uint8(0))
        flat = ((flat[0::2] << 4) | flat[1::2]).astype(np.uint8)
    return np.float32(scale).astype("<f4").tobytes() + flat.astype(np.uint8).tobytes()


def unpack(data: bytes, shape: tuple[int, ...], bits: int) -> tuple[NDArray[np.uint8], float]:
    """The inverse of ``pack``.

    Raises:
        ValueError: a length that does not fit ``shape``, or a scale that is no positive number.
    """
    count = int(np.prod(shape))
    expected = _SCALE_BYTES + -(-count * bits // 8)
    if len(data) != expected:
        raise ValueError(
            f"compressed features of shape {shape} at {bits} bits take {expected} bytes, got {len(data)}"
        )
    scale = float(np.frombuffer(data, "<f4", 1)[0])
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"scale of compressed features is {scale}; allowed is a finite number > 0")
    raw = np.frombuffer(data, np.uint8, offset=_SCALE_BYTES)
    if bits == 4:
        raw = np.stack([raw >> 4, raw & 15], axis=1).reshape(-1)[:count]
    return raw.reshape(shape).copy(), scale
