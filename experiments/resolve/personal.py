"""What of the learned model belongs to its node: by the strategies fedbn, fedper and ditto."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_node.config import PersonalConfig
from edge_node.tasks.personal import head_tensors, norm_tensors
from experiments.errors import UsageError
from experiments.scenario.strategies import make_strategy

if TYPE_CHECKING:
    from edge_node.tasks.base import Task
    from experiments.scenario.model import Scenario

PERSONAL = ("fedbn", "fedper", "ditto")
"""Strategies with which nodes have models of their own."""


def personal_of(scenario: Scenario, task: Task) -> PersonalConfig | None:
    """What nodes keep to themselves; None where nodes have no model of their own and none is measured.

    Raises UsageError, with its line, for a model or a fleet that it cannot be done with."""
    spec = scenario.task
    if spec.strategy not in PERSONAL and not spec.measure_personal:
        return None
    key = "strategy" if spec.strategy in PERSONAL else "measure_personal"
    with scenario.at("task", key):
        _refuse(scenario, task)
        if spec.strategy not in PERSONAL:
            return PersonalConfig()
        made = make_strategy(spec.strategy, spec.strategy_options, spec.learning_rate)
        if spec.strategy == "ditto":
            return PersonalConfig(pull=float(made.pull))
        try:
            model = task.model()
            home = norm_tensors(model) if spec.strategy == "fedbn" else head_tensors(model, made.layers)
        except ValueError as error:
            raise UsageError(f"strategy {spec.strategy!r}: {error}") from error
        return PersonalConfig(home=home)


def _refuse(scenario: Scenario, task: Task) -> None:
    strategy = scenario.task.strategy
    if scenario.fleet.kind == "virtual":
        raise UsageError(
            'models of nodes\' own need nodes that remember them, and with kind = "virtual" nodes are rows of arrays; '
            'give fleet.kind = "inprocess", "ray" or "daemons"'
        )
    if strategy in PERSONAL and scenario.stages.recycling:
        raise UsageError(
            f"strategy {strategy!r} leaves models at the nodes, and recycling goes on from one global model; set "
            "stages.recycling = 0"
        )
    if scenario.training.kind != "federated":
        raise UsageError(
            f'nodes have whole models of their own with training.kind = "federated"; it is "{scenario.training.kind}"'
        )
    if strategy in PERSONAL and task.kept():
        raise UsageError(
            f"task {scenario.task.name} keeps tensors local by itself; take strategy fedavg, or leave local out"
        )
