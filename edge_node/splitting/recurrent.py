"""A video-like model: the hidden layer of a ``FrameCnn`` frame by frame, then one small recurrent layer over time.

The recurrent layer is a gated recurrent unit (Cho et al. 2014, arXiv:1406.1078). Its state, ``STATE_WIDTH`` numbers,
stays where the layer runs: on the terminal, or on the server, which then has one for each terminal.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_node.splitting.network import HIDDEN, OFFSET, SCALE, FrameCnn

STATE_WIDTH = 32
"""Choice: half the hidden layer; the recurrent layer then costs less than 1 % of the convolutions' operations."""


class FrameFeatures(nn.Module):
    """Frames (B, 1, 48, 48) uint8 -> hidden layer (B, hidden) of ``model``, whose parameters it shares."""

    def __init__(self, model: FrameCnn) -> None:
        super().__init__()
        self.features = model.features
        self.hidden = nn.Sequential(*list(model.head)[:-1])

    def forward(self, pixels: Tensor) -> Tensor:
        return self.hidden(self.features((pixels.to(torch.float32) - OFFSET) * SCALE))


class RecurrentHead(nn.Module):
    """Hidden layers of sequences (B, T, hidden) -> class scores of every frame (B, T, classes); the state starts at 0.

    Args:
        hidden: Width of the frames' hidden layer.
        state: Numbers that are kept from frame to frame.
        num_classes: Outputs.
    """

    def __init__(self, hidden: int = HIDDEN, state: int = STATE_WIDTH, num_classes: int = 10) -> None:
        super().__init__()
        self.over_time = nn.GRU(hidden, state, batch_first=True)
        self.classes = nn.Linear(state, num_classes)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.classes(self.over_time(hidden)[0])

    @property
    def flop(self) -> float:
        """Operations for one frame: matrix products, a multiplication and an addition being two."""
        return 2.0 * sum(p.numel() for name, p in self.named_parameters() if "weight" in name)


class Memory:
    """A recurrent head at work on one sequence: keeps the state between frames.

    Args:
        head: Trained.
    """

    def __init__(self, head: RecurrentHead) -> None:
        self.head = head
        self._state: Tensor | None = None

    def reset(self) -> None:
        """Forget earlier frames."""
        self._state = None

    @torch.no_grad()
    def advance(self, hidden: Tensor) -> Tensor:
        """Class scores (classes,) of the next frame from its hidden layer (hidden,)."""
        out, self._state = self.head.over_time(hidden[None, None], self._state)
        return self.head.classes(out[0, 0])


class VideoCnn(nn.Module):
    """Frame features and memory on one machine: the next frame (1, 1, 48, 48) uint8 -> class scores (1, classes).

    Raises:
        ValueError: several frames at once; they come one after the other.
    """

    def __init__(self, model: FrameCnn, head: RecurrentHead) -> None:
        super().__init__()
        self.frame_features = FrameFeatures(model)
        self.memory = Memory(head)

    def reset(self) -> None:
        """Forget earlier frames."""
        self.memory.reset()

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        if len(pixels) != 1:
            raise ValueError(
                f"{len(pixels)} frames at once; give the frames of a sequence one after the other"
            )
        return self.memory.advance(self.frame_features(pixels)[0])[None]
