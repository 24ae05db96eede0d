"""Distillation: a small network learns the scores of a large one (Hinton, Vinyals and Dean 2015, arXiv:1503.02531).

    L = w T^2 KL(softmax(z_teacher / T) || softmax(z_student / T)) + (1 - w) CE(labels, z_student)

T softens both distributions, so that the teacher's small probabilities count. The soft term's gradient falls with
1 / T^2; the factor T^2 keeps the two terms comparable for every T (section 2 of the paper).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Distillation:
    """Temperature and weight of the soft targets."""

    temperature: float = 4.0
    """T, >= 1. Choice: the paper found 2.5 to 4 best for small students and uses up to 20 for large ones."""
    soft_weight: float = 0.9
    """w, 0..1. Choice: the paper gives the labels "a considerably lower weight" than the soft targets."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 1):
            raise ValueError(f"temperature is {self.temperature}; allowed is a finite number >= 1")
        if not 0 <= self.soft_weight <= 1:
            raise ValueError(f"soft_weight is {self.soft_weight}; allowed is 0 <= weight <= 1")

    def loss(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of a batch, a scalar.

        Args:
            student: Class scores (B, classes); gradients flow through these alone.
            teacher: Class scores (B, classes) of the large network for the same frames.
            labels: Classes (B,), int64.
        """
        soft = F.kl_div(
            F.log_softmax(student / self.temperature, dim=1),
            F.log_softmax(teacher.detach() / self.temperature, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        hard = F.cross_entropy(student, labels)
        return self.soft_weight * self.temperature**2 * soft + (1.0 - self.soft_weight) * hard
