"""Tasks of a scenario: the first, that of the recycling stage, and those of further services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_node.config import (
    TaskConfig,
)
from edge_node.tasks.base import Checked
from edge_node.tasks.registry import configured_task, find_task
from edge_node.tasks.state import buffers_of
from experiments.errors import UsageError
from experiments.resolve.parts import parts_of
from experiments.resolve.personal import personal_of
from experiments.resolve.privacy import privacy_of
from experiments.resolve.pulled import refuse_overshoot
from experiments.scenario.model import Scenario

if TYPE_CHECKING:
    from edge_node.tasks.base import Task
    from edge_node.tasks.data.dataset import Dataset
    from experiments.scenario.work import ServiceSpec

OUTSIDE_THE_RANGE = ("fedavgm", "fedadam", "fedyogi", "fedadagrad", "qfedavg")
"""Strategies whose model may lie outside the range of the nodes' models."""


def learned_tasks(scenario: Scenario, nodes: int) -> tuple[TaskConfig, TaskConfig | None, str]:
    spec = scenario.task
    with scenario.at("task", "name"):
        task = find_task(spec.name)
        if isinstance(task, Checked):
            task.check(spec.batch_size)
        _check_state(scenario, task)
    with scenario.at("task", "data"):
        data = _data_name(task, spec.data)
        dataset = task.dataset(data)
    if spec.batch_size > dataset.num_train:
        with scenario.at("task", "batch_size"):
            raise UsageError(
                f"{spec.batch_size} is more than the {dataset.num_train} training examples of {data}; allowed: "
                f"1 to {dataset.num_train}"
            )
    if spec.batch_size == 1:
        with scenario.at("task", "batch_size"):
            _require_steps_of_one(task, dataset)
    if nodes > dataset.num_train:
        with scenario.at("nodes"):
            raise UsageError(
                f"{nodes} nodes cannot share {dataset.num_train} examples of {data}; allowed: up to {dataset.num_train}"
            )
    refuse_overshoot(scenario, task)
    personal = personal_of(scenario, task)
    config = TaskConfig(
        name=spec.name,
        data=data,
        batch_size=spec.batch_size,
        batches_per_slot=1 if spec.batches_per_slot == "pass" else spec.batches_per_slot,
        local_epochs=spec.local_epochs,
        learning_rate=spec.learning_rate,
        precision=spec.precision,
        partition=spec.partition,
        dirichlet_alpha=spec.dirichlet_alpha,
        partitions=nodes,
        partition_index=0,
        seed=scenario.seed,
        parts=parts_of(scenario, data),
        personal=personal,
        privacy=privacy_of(scenario, task, personal),
    )
    recycling = None
    if scenario.stages.recycling:
        with scenario.at("task", "recycling", "data"):
            second = spec.recycling.data or task.recycling_data(data)
            task.dataset(second)
        recycling = config.model_copy(
            update={
                "data": second,
                "personal": None,
                "privacy": None,
                "learning_rate": spec.recycling.learning_rate or spec.learning_rate,
            }
        )
    return config, recycling, dataset.origin


def _require_steps_of_one(task: Task, dataset: Dataset) -> None:
    """Raises UsageError where the task's model cannot train on a single example, as with batch normalisation."""
    one = {name: array[:1] for name, array in dataset.train.items()}
    try:
        given, _ = task.inputs(one)
        task.output(task.model().train(), given)
    except ValueError as error:
        raise UsageError(
            f"1 is too small for task {task.name}: {error}; give task.batch_size = 2 or more, or a task without batch "
            "normalisation"
        ) from error


def _check_state(scenario: Scenario, task: Task) -> None:
    """Refuse what would not keep a model's state whole. Raises UsageError."""
    kept = task.kept()
    if kept and scenario.fleet.kind == "virtual":
        raise UsageError(
            f'task {scenario.task.name} keeps {", ".join(sorted(kept)[:3])} local, and nodes of kind = "virtual" keep '
            'nothing between rounds: leave local out, or take kind = "inprocess" or "ray"'
        )
    averaged = [name for name in buffers_of(task.model()) if name not in kept]
    if averaged and scenario.task.strategy in OUTSIDE_THE_RANGE:
        raise UsageError(
            f"strategy {scenario.task.strategy} makes models beyond those of the nodes, and {averaged[0]} of task "
            f"{scenario.task.name} is a statistic, such as a variance, that may then be below 0; choose another "
            "strategy, normalise by group or layer, or keep those layers local (TorchTask: local=)"
        )


def _data_name(task: Task, name: str) -> str:
    """The data really used: ``auto`` is resolved here, so that the run folder names it."""
    return task.resolve_data(task.default_data if name == "default" else name)


def service_task(spec: ServiceSpec, task: TaskConfig) -> TaskConfig:
    """Task and data of a further service. Raises ValueError or DataError for what cannot be had."""
    found = configured_task(spec.task, spec.prompt_tokens, spec.answer_tokens)
    data = found.resolve_data(found.default_data if spec.data == "default" else spec.data)
    found.dataset(data)
    return task.model_copy(
        update={
            "name": spec.task,
            "data": data,
            "partition": "iid",
            "personal": None,
            "privacy": None,
            "prompt_tokens": spec.prompt_tokens,
            "answer_tokens": spec.answer_tokens,
            "parts": None,
        }
    )
