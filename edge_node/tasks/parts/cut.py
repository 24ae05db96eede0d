"""A task's model at a cut (edge_node.splitting.partition), or at two: what either side has, sends and computes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, fx

from edge_node.splitting.partition import CutPoint, Partitioner, TensorSpec
from edge_node.tasks.base import Task
from edge_node.tasks.own.counting import counted
from edge_node.tasks.registry import find_task
from edge_node.tasks.state import state_of

TRIED_ON = 2
"""Examples that the model is traced with: batch normalisation needs more than one."""


@dataclass(frozen=True)
class Part:
    """A part of a model."""

    module: fx.GraphModule
    """Of the model as it was made; ``Cut.copy`` gives one to train."""
    names: tuple[str, ...]
    """Of its tensors, as the whole model names them."""
    train_flop: float
    """Of one example, forward and backward."""


@dataclass(frozen=True)
class Cut:
    """A model in two parts, or in three of which a node has the first and the last."""

    parts: tuple[Part, ...]
    points: tuple[CutPoint, ...]
    """Between them."""
    shows_input: bool
    """Whether examples as they are cross the cut."""

    @property
    def lower(self) -> tuple[Part, ...]:
        """What a node trains."""
        return self.parts[::2]

    @property
    def upper(self) -> Part:
        """What the server trains."""
        return self.parts[1]

    @property
    def lower_names(self) -> tuple[str, ...]:
        return tuple(name for part in self.lower for name in part.names)

    @property
    def sent_bytes(self) -> tuple[int, int]:
        """Bytes of an example's tensors that a node sends and gets in a step, labels left out: activations of the first
        cut and gradients of the second; the other way round those of the other."""
        every = [sum(_values(spec) for spec in point.specs) * 4 for point in self.points]
        return sum(every), sum(every)

    def copy(self, part: Part, device: torch.device) -> fx.GraphModule:
        """A module of ``part`` to train, on ``device``."""
        return copy.deepcopy(part.module).to(device).train()


def cut_names(task: Task, data: str) -> list[str]:
    """Names of the operations after which the task's model can be cut so that no example crosses as it is. Raises
    ValueError for a model that cannot be traced."""
    partitioner = _traced(task, data)
    return [
        point.after
        for point in partitioner.cut_points()
        if partitioner.input_name not in point.crossing and _trained_before(partitioner, point)
    ]


@lru_cache(maxsize=8)
def find_cut(task_name: str, data: str, cut: str, head: str = "") -> Cut:
    """The parts of a task's model. ``head``: after which operation the node goes on; empty: the server does to the end.

    Raises:
        ValueError: a model that cannot be traced, no cut of that name, or tensors that both sides would train.
    """
    task = find_task(task_name)
    partitioner = _traced(task, data)
    points = [partitioner.cut_after(name) for name in (cut, head) if name]
    if len(points) > 1 and points[0].position >= points[1].position:
        raise ValueError(f"head {head!r} comes before the cut {cut!r} in the model; it has to come after it")
    modules = partitioner.parts([point.position for point in points])
    names = [tuple(state_of(module)) for module in modules]
    seen: set[str] = set()
    for each in names:
        if both := sorted(seen & set(each)):
            raise ValueError(
                f"{', '.join(both)} of task {task_name} would be trained on both sides of the cut; cut where a tensor "
                "is used on one side"
            )
        seen |= set(each)
    whole = task.model()
    if lacking := sorted(set(state_of(whole)) - seen):
        raise ValueError(
            f"{', '.join(lacking)} of task {task_name} would be on no side of the cut: it is tied to another tensor, "
            "or not used"
        )
    flop = _shares(modules, _example(task, data), task.flop().train)
    parts = tuple(Part(*each) for each in zip(modules, names, flop, strict=True))
    return Cut(parts, tuple(points), any(partitioner.input_name in point.crossing for point in points))


def _traced(task: Task, data: str) -> Partitioner:
    example = _example(task, data)
    if not isinstance(example, Tensor):
        raise ValueError(
            f"task {task.name} gives its model a {type(example).__name__}; a model that is cut takes one tensor"
        )
    try:
        with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
            return Partitioner(task.model().eval(), example)
    except Exception as error:  # torch.fx raises what the model's code raises
        said = (str(error).strip().splitlines() or ["no message"])[0]
        raise ValueError(
            f"the model of task {task.name} cannot be cut, for torch.fx cannot trace it: {type(error).__name__}: {said}"
        ) from error


def _example(task: Task, data: str) -> Tensor:
    train = task.dataset(data).train
    x, _ = task.inputs({name: array[:TRIED_ON] for name, array in train.items()})
    return x  # type: ignore[no-any-return]


def _trained_before(partitioner: Partitioner, point: CutPoint) -> bool:
    return any(True for _ in partitioner.parts((point.position,))[0].parameters())


def _shares(modules: list[fx.GraphModule], example: Tensor, whole: float) -> list[float]:
    """Of the counted operations of training an example, each part's, in proportion to what torch's counter finds."""
    found: list[float] = []
    with torch.inference_mode(False), torch.enable_grad():
        values: tuple[Tensor, ...] = (example.clone(),)
        for k, module in enumerate(modules):
            part = copy.deepcopy(module)
            inputs = [value.detach().clone().requires_grad_(_differs(value) and k > 0) for value in values]
            given: list[tuple[Tensor, ...]] = []

            def work(
                part: fx.GraphModule = part,
                inputs: list[Tensor] = inputs,
                given: list[tuple[Tensor, ...]] = given,
            ) -> None:
                outputs = part(*inputs)
                given.append(outputs if isinstance(outputs, tuple) else (outputs,))
                if sums := [each.sum() for each in given[-1] if each.requires_grad]:
                    torch.stack(sums).sum().backward()  # type: ignore[no-untyped-call]

            found.append(counted(work))
            values = given[-1]
    total = sum(found)
    return [whole * each / total if total else 0.0 for each in found]


def _differs(tensor: Tensor) -> bool:
    """Whether it has a gradient."""
    return tensor.is_floating_point()


def _values(spec: TensorSpec) -> int:
    """Of one example."""
    count = 1
    for size in spec.shape[1:]:
        count *= size
    return count
