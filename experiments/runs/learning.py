"""What the slots of a stage learn: model, strategy and central evaluation."""

from __future__ import annotations

import math
from functools import cache, partial
from typing import TYPE_CHECKING

from flwr.app import Array, ArrayRecord
from flwr.serverapp.strategy import Strategy

from coordinator.adapters.flower_server import Evaluation, LearningTask
from edge_node.adapters.npy import array_view
from edge_node.tasks.evaluation import evaluate, initial_parameters
from edge_node.tasks.private import too_much_noise
from edge_node.tasks.registry import find_task
from experiments.errors import RunError
from experiments.resolve.privacy import guarded
from experiments.runs.parts import put_together
from experiments.scenario.strategies import make_strategy
from protos.messages.terms import Stage

if TYPE_CHECKING:
    from edge_node.config import TaskConfig
    from experiments.resolve.resolved import Resolved
    from experiments.scenario.work import TaskSpec

GROWN = 1.01
"""[C]: a loss this many times the first is more than the scatter of a round."""


def learning_task(resolved: Resolved, task: TaskConfig, stage: Stage) -> LearningTask:
    """What the slots of ``stage`` learn: model, strategy, and the central evaluation on held-out data."""
    scenario = resolved.scenario
    trained_before = find_task(task.name).trained_before
    home = () if task.personal is None else task.personal.home
    untrained = cache(partial(initial_parameters, task.name, scenario.seed))
    begun: list[float] = []
    """Losses so far; the first is the model's before its training."""

    def initial(before: ArrayRecord | None) -> ArrayRecord:
        if before is not None:
            return before
        return ArrayRecord({name: Array(array) for name, array in untrained().items() if name not in home})

    def central(arrays: ArrayRecord) -> Evaluation:
        known = {name: array_view(array.data) for name, array in arrays.items()}
        # What stays at home is, of a node that joins now, as it was before any training.
        found = evaluate(task.name, task.data, {**known, **{name: untrained()[name] for name in home}})
        begun.append(found.loss)
        if why := ran_away(found.loss, begun[0] if trained_before else None):
            values = sum(math.prod(array.shape) for array in arrays.values())
            raise RunError(
                f"learning ran away: the loss on held-out data is {why} in stage {stage}; "
                + what_to_change(scenario.task, task.learning_rate, values)
            )
        accuracy = None if math.isnan(found.accuracy) else found.accuracy
        return Evaluation(loss=found.loss, accuracy_fraction=accuracy, examples=found.examples)

    def strategy() -> Strategy:
        if task.parts is not None and task.parts.kind == "vertical":
            return put_together(task)
        spec = scenario.task
        made = make_strategy(spec.strategy, spec.strategy_options, task.learning_rate)
        return guarded(made, spec.privacy, scenario.seed)

    return LearningTask(
        strategy=strategy,
        initial=initial,
        evaluate=central,
        examples=find_task(task.name).dataset(task.data).num_test,
        # In recycling slots the nodes train with the second task's rate: it travels with the message.
        train_config={"learning-rate": task.learning_rate} if stage is Stage.RECYCLING else {},
    )


def what_to_change(spec: TaskSpec, learning_rate: float, values: int) -> str:
    """What to change in a scenario whose learning ran away: what it sets beside the rate comes first. ``values``:
    parameters of the model."""
    rate = f"task.learning_rate (it is {learning_rate:g}) or task.local_epochs"
    causes = []
    if spec.privacy.kind != "none":
        causes.append(too_much_noise(spec.privacy.noise_multiplier, spec.privacy.clipping_norm, values))
    if spec.strategy_options:
        given = ", ".join(f"{key} = {value!r}" for key, value in spec.strategy_options.items())
        causes.append(
            f"strategy {spec.strategy} makes the model with task.strategy_options {given}; take them back to their "
            "defaults (`detabed list strategies`)"
        )
    return f"{'; '.join(causes)}; else lower {rate}" if causes else f"lower {rate}"


def ran_away(loss: float, first: float | None) -> str:
    """What is wrong with a loss on held-out data, in words; empty where nothing is.

    ``first``: of the model before training, where training it further must not make it worse; None elsewhere."""
    if not math.isfinite(loss):
        return f"{loss}"
    if first is not None and loss > GROWN * first:
        return f"{loss:.4g}, more than the {first:.4g} of the model before training,"
    return ""
