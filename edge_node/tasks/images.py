"""Common part of the image classification tasks: data, transform, loss, preparation, serving."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carbon_data.units import BITS_PER_BYTE
from edge_node.tasks.base import FlopCount, Served, Task, to_tensor
from edge_node.tasks.data import images
from edge_node.tasks.data.dataset import Dataset
from edge_node.tasks.flops import count_flop
from edge_node.workload import Arrays

SHAPE = (1, 28, 28)
PIXELS = 28 * 28
SCALE = 1.0 / (255.0 * 0.3081)
"""Of stored pixels: 0.3081 is the deviation of MNIST's training pixels in 0..1; used for all image data."""
_MEAN = torch.full((PIXELS,), -SCALE / PIXELS)
"""An image times this is its own scaled mean, negative: one product is quicker than a sum by rows."""
ANSWER_BITS = 8
"""One class index, a byte."""
PREPARE_FLOP_PER_PIXEL = 5.0
"""Lowest and highest (2); sum, subtract the mean, scale (3)."""


class ImageTask(Task):
    """Classification of 28 x 28 images: only the model differs between tasks."""

    default_data = "digits"
    data_names = images.NAMES
    _flop: FlopCount | None = None

    def dataset(self, name: str) -> Dataset:
        return images.load(name)

    def resolve_data(self, name: str) -> str:
        return images.resolve(name)

    def recycling_data(self, name: str) -> str:
        """The same images inverted; data that are inverted already go back to plain."""
        base, _, transform = self.resolve_data(name).partition("-")
        return base if transform == "inverted" else f"{base}-inverted"

    def inputs(self, batch: Arrays) -> tuple[Tensor, Tensor]:
        """Images (B, 1, 28, 28) as float32, each centred on its own mean, and labels (B,).

        Centring by image makes an inverted image the negative: models transfer, and no input is large.
        """
        x = to_tensor(batch["images"], torch.float32)
        flat = x.view(len(x), PIXELS)
        mean = torch.mv(flat, _MEAN)
        torch.add(mean.unsqueeze(1), flat, alpha=SCALE, out=flat)
        return x, to_tensor(batch["labels"])

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target)

    def correct(self, output: Tensor, target: Tensor) -> tuple[int, int]:
        return int((output.argmax(dim=1) == target).sum()), len(target)

    def flop(self) -> FlopCount:
        if self._flop is None:
            self._flop = count_flop(self.model(), torch.zeros(1, *SHAPE))
        return self._flop

    def request_bytes(self) -> tuple[int, int]:
        """An image, a class."""
        return PIXELS, ANSWER_BITS // BITS_PER_BYTE

    def serve(self, model: nn.Module, batch: Arrays) -> Served:
        """Classify images: each is one request and one answer, and no token."""
        x, y = self.placed(model, batch)
        right, answered = self.correct(self.output(model, x), y)
        return Served(
            requests=answered,
            input_tokens=0,
            output_tokens=0,
            payload_bits=BITS_PER_BYTE * batch["images"].nbytes + ANSWER_BITS * answered,
            correct=right,
            flop=answered * self.flop().forward,
        )

    def prepare(self, batch: Arrays) -> float:
        """Check form and content of every image, then centre and scale it."""
        pixels, labels = batch["images"], batch["labels"]
        if pixels.shape != (len(labels), *SHAPE) or pixels.dtype != np.uint8:
            raise ValueError(
                f"images must be uint8 of shape ({len(labels)}, 1, 28, 28), got {pixels.dtype} {pixels.shape}"
            )
        if labels.min() < 0:
            raise ValueError(f"labels must be class indices >= 0, got {labels.min()}")
        rows = pixels.reshape(len(labels), PIXELS)
        blank = int((rows.min(axis=1) == rows.max(axis=1)).sum())
        if blank:
            raise ValueError(
                f"{blank} of {len(labels)} images carry no picture, all their pixels being equal: "
                "the data are damaged, load them again"
            )
        self.inputs(batch)
        return self.prepare_flop(len(labels))

    def prepare_flop(self, examples: int) -> float:
        return PREPARE_FLOP_PER_PIXEL * PIXELS * examples
