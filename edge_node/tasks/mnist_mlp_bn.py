"""``mnist-mlp-bn``: the perceptron of ``mnist-mlp`` with batch normalisation before its ReLU, for FedBN; 159,811 values
with the statistics, 801 of them of the normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_node.tasks.images import PIXELS, ImageTask
from edge_node.tasks.mnist_mlp import HIDDEN


class NormMlp(nn.Module):
    """One hidden layer of normalised ReLU units on flattened images."""

    def __init__(self, hidden: int = HIDDEN, num_classes: int = 10) -> None:
        super().__init__()
        self.hidden = nn.Linear(PIXELS, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.output = nn.Linear(hidden, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.output(torch.relu(self.norm(self.hidden(x.flatten(1)))))


class MnistMlpNorm(ImageTask):
    """Handwritten digits with the 784-200-10 perceptron and batch normalisation."""

    name = "mnist-mlp-bn"

    def model(self) -> NormMlp:
        return NormMlp()
