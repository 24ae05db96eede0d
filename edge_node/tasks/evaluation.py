"""Central evaluation of a global model on the held-out test set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge_node.tasks.base import Evaluation
from edge_node.tasks.registry import find_task
from edge_node.tasks.state import load_arrays
from edge_node.workload import Parameters


def initial_parameters(task_name: str, seed: int) -> dict[str, NDArray[np.float32]]:
    """The global model of a task before round one."""
    return find_task(task_name).initial_parameters(seed)


def evaluate(task_name: str, data_name: str, parameters: Parameters, limit: int | None = None) -> Evaluation:
    """Loss and accuracy on the test set of ``data_name`` (or on its first ``limit`` examples)."""
    task = find_task(task_name)
    test: Mapping[str, NDArray[Any]] = task.dataset(data_name).test
    examples = len(next(iter(test.values())))
    examples = examples if limit is None else min(limit, examples)
    model = task.model().eval()
    load_arrays(model, parameters)
    loss = 0.0
    right = answered = 0
    with torch.inference_mode():
        for start in range(0, examples, task.evaluation_chunk):
            stop = min(start + task.evaluation_chunk, examples)
            x, y = task.inputs({name: array[start:stop] for name, array in test.items()})
            output = task.output(model, x)
            loss += task.loss(output, y).item() * (stop - start)
            correct, answers = task.correct(output, y)
            right, answered = right + correct, answered + answers
    return Evaluation(
        loss=loss / examples,
        accuracy=right / answered if answered else math.nan,
        examples=examples,
        flop=examples * task.flop().forward,
    )
