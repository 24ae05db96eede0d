"""The final model on held-out data: by class, under noise, and against float64 arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge_node.tasks.base import Checked, Task
from edge_node.tasks.data.dataset import Dataset
from edge_node.tasks.registry import find_task
from edge_node.tasks.state import load_arrays, state_of
from edge_node.workload import Parameters

EXAMPLES_AT_MOST = 2000
FLOP_AT_MOST = 4e10
"""Of one pass: large models are evaluated on fewer examples, evenly spread over the set."""
NOISE_SEED = 0
BYTES = 256


def task_of(metadata: Mapping[str, Any]) -> Task:
    """The task a run learned. Raises ValueError where it is not known here."""
    return find_task(str(metadata.get("task", "")))


@dataclass(frozen=True)
class Answers:
    """Right or wrong, answer by answer (A,), with each answer's true class and the raw outputs."""

    right: NDArray[np.bool_]
    classes: NDArray[np.int64]
    outputs: NDArray[np.float64]
    by_example: bool
    """One answer an example (classification), not one a token."""

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    def recall(self, num_classes: int) -> NDArray[np.float64]:
        """(K,) share of right answers of each class; NaN for a class that does not occur."""
        total = np.bincount(self.classes, minlength=num_classes)
        hits = np.bincount(self.classes[self.right], minlength=num_classes)
        return np.divide(hits, total, out=np.full(len(total), np.nan), where=total > 0)


def sample(task: Task, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """At most EXAMPLES_AT_MOST examples, evenly spread, fewer for large models; the same every time."""
    size = len(next(iter(arrays.values())))
    wanted = max(1, min(size, EXAMPLES_AT_MOST, int(FLOP_AT_MOST / task.flop().forward)))
    chosen = np.linspace(0, size - 1, wanted).round().astype(np.int64)
    return {name: array[chosen] for name, array in arrays.items()}


def of_the_user(task: Task) -> bool:
    """Whether users write the task's parts."""
    return isinstance(task, Checked)


def unjudged(task: Task, data: Dataset) -> str:
    """Why the answers of ``task`` cannot be told right or wrong one by one; empty where they can."""
    for arrays in ({**data.train, "groups": data.groups}, data.test):
        some = sample(task, arrays)
        _, y = task.inputs(some)
        if y.dtype is not torch.int64 or int(y.min()) < 0:
            return "the task's targets are no classes, or some of them are left out"
        if y.ndim == 1 and "groups" in some and not np.array_equal(some["groups"], y.numpy()):
            return "data are divided by the user's groups, not by class"
    x, y = task.inputs({name: array[:2] for name, array in data.test.items()})
    if not isinstance(x, torch.Tensor):
        return "the task's model takes several inputs"
    with torch.inference_mode():
        output = task.output(task.model().eval(), x)
    if not isinstance(output, torch.Tensor) or output.shape[:-1] != y.shape:
        return "the model's last dimension is not that of the classes"
    return ""


def at_home(task: Task, parameters: Parameters) -> list[str]:
    """Names of the model's tensors that ``parameters`` lack: those that nodes keep to themselves."""
    return [name for name in state_of(task.model()) if name not in parameters]


def answers(
    task: Task,
    parameters: Parameters,
    arrays: Mapping[str, NDArray[Any]],
    *,
    noise: float = 0.0,
    double: bool = False,
) -> Answers:
    """Answers of the model to all examples of ``arrays``.

    Args:
        noise: Real-valued inputs: standard deviation of added Gaussian noise over the inputs' own; symbols: the
            probability that one is replaced by a random byte.
        double: Compute in float64.
    """
    model = task.model().eval()
    load_arrays(model, parameters)
    model = model.double() if double else model
    x, y = task.inputs(arrays)
    x = _disturbed(x, noise) if noise else x
    x = x.double() if double and x.is_floating_point() else x
    with torch.inference_mode():
        parts = [model(x[start : start + 200]) for start in range(0, len(x), 200)]
    outputs = torch.cat(parts)
    right = outputs.argmax(dim=-1) == y
    return Answers(
        right=right.reshape(-1).numpy(),
        classes=y.reshape(-1).numpy(),
        outputs=outputs.double().numpy(),
        by_example=y.ndim == 1,
    )


def _disturbed(x: torch.Tensor, noise: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(NOISE_SEED)
    if x.is_floating_point():
        return x + noise * x.std() * torch.randn(x.shape, generator=generator)
    replaced = torch.rand(x.shape, generator=generator) < noise
    return torch.where(replaced, torch.randint(0, BYTES, x.shape, generator=generator), x)


@dataclass(frozen=True, slots=True)
class Deviation:
    """Working arithmetic (float32) against float64."""

    relative: float
    """Largest difference of outputs over the largest output."""
    changed_fraction: float
    """Share of answers that differ."""


def deviation(task: Task, parameters: Parameters, arrays: Mapping[str, NDArray[Any]]) -> Deviation:
    """Deviation of the model's float32 answers from a float64 reference on the same parameters."""
    working = answers(task, parameters, arrays)
    reference = answers(task, parameters, arrays, double=True)
    scale = float(np.abs(reference.outputs).max())
    difference = float(np.abs(working.outputs - reference.outputs).max())
    changed = working.outputs.argmax(axis=-1) != reference.outputs.argmax(axis=-1)
    return Deviation(difference / scale if scale > 0 else 0.0, float(changed.mean()))
