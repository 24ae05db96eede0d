"""``mnist-cnn``: the DETA paper's CNN; 85,822 parameters with ten classes, 90,242 with its 62-class head.

Two 5 x 5 valid convolutions (16 and 32 channels), each with 2 x 2 max pooling, then 512-120-84-out
(methods.md section 8, note 2).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_node.tasks.images import ImageTask


class Cnn(nn.Module):
    """LeNet-like network, written for a CPU: channels-last, and ReLU after pooling (the same values).

    Measured against the usual order at batch 120 on one core: 1.1 times as quick with AVX2, 1.6 with AVX-512.
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=5)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=5)
        self.dense1 = nn.Linear(32 * 4 * 4, 120)
        self.dense2 = nn.Linear(120, 84)
        self.output = nn.Linear(84, num_classes)
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        # max(relu(x)) = relu(max(x)): after pooling ReLU has a quarter of the elements.
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = F.relu(self.dense1(x.flatten(1)))
        x = F.relu(self.dense2(x))
        return self.output(x)


class MnistCnn(ImageTask):
    """Handwritten digits with the convolutional network, ten classes."""

    name = "mnist-cnn"
    num_classes = 10

    def model(self) -> Cnn:
        return Cnn(self.num_classes)


class MnistCnn62(MnistCnn):
    """The paper's parameter count: a 62-class head (FEMNIST's), of which digits use ten."""

    name = "mnist-cnn-62"
    num_classes = 62
