"""``mnist-cnn``: the DETA paper's CNN; 85,822 parameters with ten classes, 90,242 with its 62-class head.

Two 5 x 5 valid convolutions (16 and 32 channels), each with 2 x 2 max pooling, then 512-120-84-out
(methods.md section 8, note 2).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_node.tasks.images import ImageTask
from edge_node.tasks.steps import is_rounding


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
        return self._dense(x)

    def blocked(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """As ``forward``, with channels in the blocks in which oneDNN computes, so that nothing is put into another
        order between its convolutions and poolings. ``dtype``: of their products.

        Measured at batch 120 on one core with AVX-512: 1.2 times as quick to train in float32, 1.3 in bfloat16.
        """
        x = x.to(dtype).to_mkldnn()
        for layer in (self.conv1, self.conv2):
            weight, bias = layer.weight.to(dtype), layer.bias.to(dtype)  # type: ignore[union-attr]
            x = torch.mkldnn_convolution(x, weight, bias, (0, 0), (1, 1), (1, 1), 1)
            x = F.relu(torch.mkldnn_max_pool2d(x, 2, 2))
        return self._dense(x.to_dense())

    def _dense(self, x: Tensor) -> Tensor:
        x = F.relu(self.dense1(x.flatten(1)))
        x = F.relu(self.dense2(x))
        return self.output(x)


@lru_cache(maxsize=2)
def _is_blocked_quicker(dtype: torch.dtype) -> bool:
    """Whether ``Cnn.blocked`` is quicker than its ``forward`` on this processor: with AVX2 it takes 1.2 times as long,
    and oneDNN has no such pooling of its own for ARM."""
    if not torch.backends.mkldnn.is_available() or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class MnistCnn(ImageTask):
    """Handwritten digits with the convolutional network, ten classes."""

    name = "mnist-cnn"
    num_classes = 10

    def model(self) -> Cnn:
        return Cnn(self.num_classes)

    def output(self, model: nn.Module, x: Any) -> Any:
        """Class scores (B, classes) of images (B, 1, 28, 28)."""
        if isinstance(model, Cnn) and x.device.type == "cpu":
            dtype = torch.bfloat16 if is_rounding(x.device) else torch.float32
            if _is_blocked_quicker(dtype):
                return model.blocked(x, dtype)
        return model(x)


class MnistCnn62(MnistCnn):
    """The paper's parameter count: a 62-class head (FEMNIST's), of which digits use ten."""

    name = "mnist-cnn-62"
    num_classes = 62
