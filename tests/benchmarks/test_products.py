"""Products of training steps and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import _products as only
from benchmarks.learning import CASES
from edge_node.tasks import shakespeare_lstm as lstm
from edge_node.tasks.data.text import LENGTH
from edge_node.tasks.registry import find_task
from edge_node.tasks.text import VOCABULARY


def counted(step) -> int:
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_lstms_products_are_those_that_its_task_counts(dtype: torch.dtype) -> None:
    rows = 2
    widths = (lstm.EMBEDDED, *[lstm.HIDDEN] * lstm.LAYERS)
    done = counted(only.recurrent(rows, LENGTH, widths, VOCABULARY, dtype))
    embedded = (
        8.0 * lstm.HIDDEN * lstm.EMBEDDED * LENGTH
    )  # its gradient is counted by the task, and not done here
    expected = rows * (find_task(CASES["lstm"].task).flop().train - embedded)
    assert done == pytest.approx(expected, rel=1e-3)


def test_a_perceptrons_steps_stay_finite() -> None:
    step = only.perceptron(4, 6, 5)
    for _ in range(100):
        step()
    assert all(torch.isfinite(cell.cell_contents).all() for cell in _tensors(step))


def _tensors(step):
    return [cell for cell in step.__closure__ if isinstance(cell.cell_contents, torch.Tensor)]
