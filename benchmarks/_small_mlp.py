"""A perceptron of 64-128-10 on drawn data of any size: small enough that what is not training shows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edge_node.tasks.base import FlopCount
from edge_node.tasks.data.dataset import Dataset
from edge_node.tasks.flops import count_flop
from edge_node.tasks.mnist_mlp import MnistMlp
from edge_node.workload import Arrays

INPUTS, HIDDEN, CLASSES = 64, 128, 10
TESTS = 500


class Perceptron(nn.Module):
    """One hidden layer of ReLU units."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(INPUTS, HIDDEN)
        self.output = nn.Linear(HIDDEN, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(torch.relu(self.hidden(x)))


class SmallMlp(MnistMlp):
    """Its steps are those of ``mnist-mlp``. Data are ``drawn-N``: N examples about ten centres."""

    name = "benchmarks._small_mlp:SmallMlp"
    default_data = "drawn-40000"

    def dataset(self, name: str) -> Dataset:
        return drawn(int(name.removeprefix("drawn-")))

    def resolve_data(self, name: str) -> str:
        return name

    def model(self) -> Perceptron:  # type: ignore[override]
        return Perceptron()

    def inputs(self, batch: Arrays) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(batch["x"]), torch.from_numpy(batch["labels"])

    def flop(self) -> FlopCount:
        if self._flop is None:
            self._flop = count_flop(self.model(), torch.zeros(1, INPUTS))
        return self._flop


@lru_cache(maxsize=2)
def drawn(examples: int) -> Dataset:
    """Gaussian clouds about ten centres, float32."""
    rng = np.random.default_rng(7)
    centres = rng.normal(0.0, 1.0, (CLASSES, INPUTS))
    labels = rng.integers(0, CLASSES, examples + TESTS)
    x = (centres[labels] + rng.normal(0.0, 1.0, (examples + TESTS, INPUTS))).astype(np.float32)
    parts: dict[str, NDArray[Any]] = {"x": x, "labels": labels}
    return Dataset(
        name=f"drawn-{examples}",
        origin="drawn from a fixed seed",
        train={name: array[:examples] for name, array in parts.items()},
        test={name: array[examples:] for name, array in parts.items()},
        groups=labels[:examples],
        num_classes=CLASSES,
    )
