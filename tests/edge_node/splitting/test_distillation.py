"""Distillation: a small network learns the scores of a large one."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from edge_node.splitting.distillation import Distillation


def _scores(seed: int) -> torch.Tensor:
    return 3.0 * torch.randn(6, 10, generator=torch.Generator().manual_seed(seed))


LABELS = torch.tensor([0, 1, 2, 3, 4, 5])


def test_the_loss_is_the_papers_formula() -> None:
    student, teacher, temperature = _scores(0), _scores(1), 4.0
    p, q = torch.softmax(teacher / temperature, 1), torch.softmax(student / temperature, 1)
    divergence = (p * (p.log() - q.log())).sum(1).mean()
    expected = 0.7 * temperature**2 * divergence + 0.3 * F.cross_entropy(student, LABELS)
    assert Distillation(temperature, 0.7).loss(student, teacher, LABELS).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_the_teachers_own_scores_leave_only_the_labels_term() -> None:
    teacher = _scores(2)
    found = Distillation(3.0, 0.9).loss(teacher.clone(), teacher, LABELS)
    assert found.item() == pytest.approx(0.1 * F.cross_entropy(teacher, LABELS).item(), abs=1e-5)


def test_without_soft_targets_it_is_cross_entropy() -> None:
    student = _scores(3)
    assert Distillation(4.0, 0.0).loss(student, _scores(4), LABELS).item() == pytest.approx(
        F.cross_entropy(student, LABELS).item()
    )


def test_gradients_of_soft_targets_keep_their_size_as_the_temperature_grows() -> None:
    # At high temperature the gradient is (z - v) / classes for scores of zero mean, whatever T (section 2.1).
    student, teacher = _scores(5), _scores(6)
    student = (student - student.mean(1, keepdim=True)).requires_grad_()
    teacher = teacher - teacher.mean(1, keepdim=True)
    loss = Distillation(500.0, 1.0).loss(student, teacher, LABELS)
    (gradient,) = torch.autograd.grad(loss, student)
    assert torch.allclose(6 * gradient, (student - teacher).detach() / 10, atol=0.02)


def test_the_teacher_gets_no_gradient() -> None:
    teacher = _scores(7).requires_grad_()
    student = _scores(8).requires_grad_()
    loss = Distillation().loss(student, teacher, LABELS)
    assert torch.autograd.grad(loss, teacher, allow_unused=True)[0] is None


@pytest.mark.parametrize("settings", [(0.5, 0.5), (float("nan"), 0.5), (2.0, 1.1), (2.0, -0.1)])
def test_settings_outside_their_limits_are_refused(settings: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="allowed is"):
        Distillation(*settings)
