"""Incremental inference: of a frame much like the last, only what changed is computed.

A frame is compared tile by tile with the frame the caches stand for. Tiles that differ by more than ``threshold``
grey levels in some pixel are taken over, and the rectangle around them is followed through the layers: each layer
computes only that part of its output which can have changed, and keeps the rest. With threshold 0 the output is
that of the full model, up to the order in which a convolution adds; above 0 small changes are missed until the next
refresh, every ``refresh`` frames, which computes everything.

Offloaded, the same tiles are all that has to be sent (``TileSender``, ``TileReceiver``).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from edge_node.splitting.network import FrameCnn

TILE_PIXELS = 6
COMPARE_FLOP_PER_PIXEL = 2.0
"""A subtraction and a comparison."""

Frame = NDArray[np.uint8]
Rect = tuple[int, int, int, int]
"""Top, bottom, left, right; bottom and right are outside."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When to look again."""

    threshold: int = 0
    """Grey levels; a pixel that differs by no more has not changed."""
    refresh: int = 30
    """Every so many frames everything is computed; the first always is."""

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 256:
            raise ValueError(f"threshold is {self.threshold}; allowed is 0 to 255 grey levels")
        if self.refresh < 1:
            raise ValueError(f"refresh is {self.refresh}; allowed is >= 1 frames")


class Changes:
    """Which tiles of a frame differ from the frame held; takes over those that do."""

    def __init__(self, rules: Rules, tile_pixels: int = TILE_PIXELS) -> None:
        self.rules, self.tile = rules, tile_pixels
        self.held: Frame | None = None
        self._count = 0

    def take(self, frame: Frame) -> NDArray[np.bool_]:
        """Mask of tiles (rows, columns) that were taken over from ``frame`` (H, W) uint8.

        Raises:
            ValueError: a frame that is not uint8, or whose sides are no multiples of the tile.
        """
        if (
            frame.ndim != 2
            or frame.dtype != np.uint8
            or frame.shape[0] % self.tile
            or frame.shape[1] % self.tile
        ):
            raise ValueError(
                f"frame is {frame.dtype} {frame.shape}; allowed is uint8 with sides that are multiples of {self.tile}"
            )
        fresh = self.held is None or self._count % self.rules.refresh == 0
        self._count += 1
        rows, columns = frame.shape[0] // self.tile, frame.shape[1] // self.tile
        if fresh or self.held is None:
            self.held = frame.copy()
            return np.ones((rows, columns), dtype=bool)
        apart = np.abs(frame.astype(np.int16) - self.held.astype(np.int16)) > self.rules.threshold
        mask: NDArray[np.bool_] = apart.reshape(rows, self.tile, columns, self.tile).any(axis=(1, 3))  # type: ignore[assignment]
        pixels = np.kron(mask, np.ones((self.tile, self.tile), dtype=bool))
        self.held[pixels] = frame[pixels]
        return mask


def rectangle(mask: NDArray[np.bool_], tile_pixels: int = TILE_PIXELS) -> Rect | None:
    """The smallest rectangle of pixels around all marked tiles; None when none is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return (
        int(rows[0]) * tile_pixels,
        (int(rows[-1]) + 1) * tile_pixels,
        int(columns[0]) * tile_pixels,
        (int(columns[-1]) + 1) * tile_pixels,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one frame."""

    logits: Tensor
    """(classes,)"""
    flop: float
    """Operations really done, comparing included."""
    changed_tiles_fraction: float


class IncrementalCnn:
    """Runs a ``FrameCnn`` over a sequence; remembers every layer's output between frames."""

    def __init__(self, model: FrameCnn, rules: Rules) -> None:
        self.model = model
        self.changes = Changes(rules)
        self._layers = list(model.features)
        self._kept: list[Tensor] = []
        self._logits: Tensor | None = None

    @torch.no_grad()
    def infer(self, frame: Frame) -> Answer:
        """Class scores of the next frame (H, W) uint8."""
        mask = self.changes.take(frame)
        held = self.changes.held
        assert held is not None  # take() holds a frame from the first on
        flop = COMPARE_FLOP_PER_PIXEL * frame.size
        rect = rectangle(mask, self.changes.tile)
        if rect is not None:
            x = self.model.scaled(torch.from_numpy(held)[None, None])
            for index, layer in enumerate(self._layers):
                x, rect, done = self._advance(index, layer, x, rect)
                flop += done
            self._logits = self.model.head(x)[0]
            flop += sum(
                2.0 * layer.weight.numel() for layer in self.model.head if isinstance(layer, nn.Linear)
            )
        assert self._logits is not None  # the first frame changes every tile
        return Answer(self._logits, flop, float(mask.mean()))

    def _advance(self, index: int, layer: nn.Module, x: Tensor, rect: Rect) -> tuple[Tensor, Rect, float]:
        """Output of one layer, where it can have changed, and operations done."""
        if isinstance(layer, nn.Conv2d):
            size, stride, padding = int(layer.kernel_size[0]), int(layer.stride[0]), int(layer.padding[0])
            height, width = ((side + 2 * padding - size) // stride + 1 for side in x.shape[-2:])
        elif isinstance(layer, nn.MaxPool2d):
            size, stride, padding = int(layer.kernel_size), int(layer.stride), 0  # type: ignore[arg-type]
            height, width = ((side - size) // stride + 1 for side in x.shape[-2:])
        else:
            size, stride, padding = 1, 1, 0
            height, width = x.shape[-2:]
        top, bottom = _reach(rect[0], rect[1], size, stride, padding, height)
        left, right = _reach(rect[2], rect[3], size, stride, padding, width)
        part = _compute(layer, x, (top, bottom, left, right), size, stride, padding)
        if len(self._kept) <= index:
            self._kept.append(part.new_zeros(1, part.shape[1], height, width))
        self._kept[index][..., top:bottom, left:right] = part
        flop = 0.0
        if isinstance(layer, nn.Conv2d):
            flop = 2.0 * layer.weight[0].numel() * part.numel()
        return self._kept[index], (top, bottom, left, right), flop


def _reach(begin: int, end: int, size: int, stride: int, padding: int, limit: int) -> tuple[int, int]:
    """Outputs [first, last) of a window layer that see an input in [begin, end)."""
    first = max(0, -(-(begin + padding - size + 1) // stride))
    last = min(limit, (end - 1 + padding) // stride + 1)
    return min(first, limit), max(last, min(first, limit))


def _compute(layer: Any, x: Tensor, rect: Rect, size: int, stride: int, padding: int) -> Tensor:
    """Outputs ``rect`` of a layer from its whole input ``x``: cut out what they see, padded where they see outside."""
    top, bottom, left, right = rect
    rows = (top * stride - padding, (bottom - 1) * stride - padding + size)
    columns = (left * stride - padding, (right - 1) * stride - padding + size)
    height, width = x.shape[-2:]
    seen = x[..., max(0, rows[0]) : min(height, rows[1]), max(0, columns[0]) : min(width, columns[1])]
    outside = (max(0, -columns[0]), max(0, columns[1] - width), max(0, -rows[0]), max(0, rows[1] - height))
    if isinstance(layer, nn.Conv2d):
        return F.conv2d(F.pad(seen, outside), layer.weight, layer.bias, stride=layer.stride)
    return layer(seen)


class TileSender:
    """The terminal's end of incremental offloading: a bit per tile, then the pixels of those that changed."""

    def __init__(self, rules: Rules) -> None:
        self.changes = Changes(rules)

    def encode(self, frame: Frame) -> bytes:
        """Bytes that bring the receiver's frame up to date."""
        mask = self.changes.take(frame)
        tiles = _tiles(frame, self.changes.tile)[mask]
        return struct.pack("!HH", *mask.shape) + np.packbits(mask).tobytes() + tiles.tobytes()


class TileReceiver:
    """The server's end: keeps the frame between messages."""

    def __init__(self, side_pixels: int, tile_pixels: int = TILE_PIXELS) -> None:
        self.tile = tile_pixels
        self.frame: Frame = np.zeros((side_pixels, side_pixels), dtype=np.uint8)

    def decode(self, data: bytes) -> Frame:
        """The frame after the update.

        Raises:
            ValueError: bytes that are no update of a frame of this size.
        """
        tiles = self.frame.shape[0] // self.tile
        bits = -(-tiles * tiles // 8)
        if len(data) < 4 + bits or struct.unpack("!HH", data[:4]) != (tiles, tiles):
            raise ValueError(
                f"not an update of {tiles} x {tiles} tiles: {len(data)} bytes, beginning {data[:4].hex()}"
            )
        mask = np.unpackbits(np.frombuffer(data[4 : 4 + bits], np.uint8), count=tiles * tiles).astype(bool)
        expected = 4 + bits + int(mask.sum()) * self.tile**2
        if len(data) != expected:
            raise ValueError(f"an update of {int(mask.sum())} tiles takes {expected} bytes, got {len(data)}")
        pixels = np.frombuffer(data[4 + bits :], np.uint8).reshape(-1, self.tile, self.tile)
        view = _tiles(self.frame, self.tile)
        view[mask.reshape(tiles, tiles)] = pixels
        return self.frame


def _tiles(frame: Frame, tile: int) -> Frame:
    """A view of ``frame`` by tiles: (rows, columns, tile, tile)."""
    rows, columns = frame.shape[0] // tile, frame.shape[1] // tile
    return frame.reshape(rows, tile, columns, tile).swapaxes(1, 2)
