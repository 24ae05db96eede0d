"""What the slots of a stage learn: model, strategy and central evaluation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flwr.app import Array, ArrayRecord

from coordinator.adapters.flower_server import Evaluation, LearningTask
from edge_node.adapters.npy import array_view
from edge_node.tasks.evaluation import evaluate, initial_parameters
from edge_node.tasks.registry import find_task
from experiments.errors import RunError
from experiments.scenario.strategies import make_strategy
from protos.messages.terms import Stage

if TYPE_CHECKING:
    from edge_node.config import TaskConfig
    from experiments.resolve.resolved import Resolved


def learning_task(resolved: Resolved, task: TaskConfig, stage: Stage) -> LearningTask:
    """What the slots of ``stage`` learn: model, strategy, and the central evaluation on held-out data."""
    scenario = resolved.scenario

    def initial(before: ArrayRecord | None) -> ArrayRecord:
        if before is not None:
            return before
        return ArrayRecord(
            {name: Array(array) for name, array in initial_parameters(task.name, scenario.seed).items()}
        )

    def central(arrays: ArrayRecord) -> Evaluation:
        found = evaluate(
            task.name, task.data, {name: array_view(array.data) for name, array in arrays.items()}
        )
        if not math.isfinite(found.loss):
            raise RunError(
                f"learning ran away: the loss on held-out data is {found.loss} in stage {stage}; lower "
                f"task.learning_rate (it is {task.learning_rate:g}) or task.local_epochs"
            )
        accuracy = None if math.isnan(found.accuracy) else found.accuracy
        return Evaluation(loss=found.loss, accuracy_fraction=accuracy, examples=found.examples)

    return LearningTask(
        strategy=lambda: make_strategy(
            scenario.task.strategy, scenario.task.strategy_options, task.learning_rate
        ),
        initial=initial,
        evaluate=central,
        examples=find_task(task.name).dataset(task.data).num_test,
        # In recycling slots the nodes train with the second task's rate: it travels with the message.
        train_config={"learning-rate": task.learning_rate} if stage is Stage.RECYCLING else {},
    )
