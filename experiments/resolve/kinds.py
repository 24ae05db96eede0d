"""Kinds of training: what a scenario has to have for them, and what makes no sense with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coordinator.policies.energy_proportional import EnergyProportional
from coordinator.policies.registry import make_policy
from coordinator.policies.selection import ClientsPerRound
from edge_node.tasks.none import WITHOUT_TASK
from edge_node.tasks.registry import TASKS, find_task
from experiments.errors import UsageError
from experiments.resolve.chosen_policy import chosen_traits, policy_settings
from experiments.resolve.parts import server_index
from experiments.scenario.model import Scenario
from protos.messages.terms import Overrun

if TYPE_CHECKING:
    from edge_node.tasks.base import Task


def refuse_kind(scenario: Scenario) -> None:
    """Raises UsageError, with its line, for a kind of training that cannot be run as the scenario stands."""
    kind = scenario.training.kind
    if kind == "federated":
        return
    with scenario.at("training", "kind"):
        _refuse_surroundings(scenario, kind)
    with scenario.at("training", "server"):
        server_index(scenario)
    task = find_task(scenario.task.name)
    with scenario.at("task", "name"):
        _refuse_task(task, kind)
    if kind == "split":
        return
    _refuse_vertical(scenario, task)


def _refuse_surroundings(scenario: Scenario, kind: str) -> None:
    """Fleets, policies and clocks with which a round is no conversation of all nodes with one."""
    if scenario.task.name in WITHOUT_TASK:
        raise UsageError(
            f'kind = "{kind}" divides the model of a task, and task.name is "{scenario.task.name}"; choose a task, or '
            'give kind = "federated"'
        )
    if scenario.fleet.kind == "virtual":
        raise UsageError(
            f'with kind = "{kind}" nodes send each other activations and gradients, and with fleet.kind = "virtual" '
            'they are rows of arrays: give fleet.kind = "inprocess", "ray" or "daemons"'
        )
    if chosen_traits(scenario).restrictions.offloading and scenario.limits.offload_cap_fraction > 0:
        raise UsageError(
            f'policy {scenario.policy} moves batches between nodes, and with kind = "{kind}" they are tied to the node '
            'that has them; give limits.offload_cap_fraction = 0, or policy = "local" or "det"'
        )
    if scenario.limits.may_sleep:
        raise UsageError(
            f'with kind = "{kind}" no node learns while the one that trains the rest of the model sleeps; give '
            "limits.may_sleep = false"
        )
    if scenario.time.clock == "wall" and scenario.time.overrun == Overrun.CUT.value:
        raise UsageError(
            f'time.overrun = "cut" ends a node\'s work between two batches, and with kind = "{kind}" others wait for '
            'the next one; give overrun = "stretch" or "skip"'
        )
    if scenario.task.precision != "float32":
        raise UsageError(
            f'task.precision = "{scenario.task.precision}" is for whole models; with kind = "{kind}" give "float32"'
        )


def _refuse_task(task: Task, kind: str) -> None:
    if kept := task.kept():
        raise UsageError(
            f'task {task.name} keeps {", ".join(sorted(kept)[:3])} local, and with training.kind = "{kind}" nodes keep '
            "nothing between rounds: leave local out"
        )
    if not task.plain_steps():
        raise UsageError(
            f'task {task.name} does not learn by plain SGD without dropout, and with training.kind = "{kind}" both '
            "parts of the model do: leave optimizer and dropout out"
        )


def _refuse_vertical(scenario: Scenario, task: Task) -> None:
    columns = task.columns()
    if columns is None:
        able = [name for name in TASKS if find_task(name).columns() is not None]
        with scenario.at("task", "name"):
            raise UsageError(
                f"examples of task {scenario.task.name} do not divide into columns; those of {', '.join(able)} do"
            )
    nodes = scenario.node_count
    if not 2 <= nodes <= columns.count:
        with scenario.at("nodes"):
            raise UsageError(
                f'kind = "vertical" divides columns among nodes, {nodes} here; allowed are 2 to {columns.count}'
            )
    policy = make_policy(scenario.policy, **policy_settings(scenario))
    if isinstance(policy, ClientsPerRound | EnergyProportional):
        with scenario.at("policy"):
            raise UsageError(
                f'policy {scenario.policy} chooses who trains how much, and with kind = "vertical" an example is whole '
                'only with all of them; give policy = "local" or "det"'
            )
    if scenario.limits.deadline_slots:
        with scenario.at("limits", "deadline_slots"):
            raise UsageError(
                f"deadline_slots = {scenario.limits.deadline_slots} lets nodes train a batch in different slots, and "
                'with kind = "vertical" all train it together; give deadline_slots = 0'
            )
    if scenario.task.strategy != "fedavg" or scenario.task.strategy_options:
        with scenario.at("task", "strategy"):
            raise UsageError(
                f'with kind = "vertical" there is one model, whose parts are put together and not averaged; strategy '
                f'"{scenario.task.strategy}" with options has no effect: leave both out'
            )
    if scenario.task.partition != "iid":
        with scenario.at("task", "partition"):
            raise UsageError(
                f'partition = "{scenario.task.partition}" divides examples, and with kind = "vertical" all nodes have '
                'all of them; give partition = "iid"'
            )
    for stage in ("application", "recycling"):
        if slots := getattr(scenario.stages, stage):
            with scenario.at("stages", stage):
                raise UsageError(
                    f'with kind = "vertical" no node has a whole example or a whole model; {slots} slots of {stage} '
                    f"need both: give {stage} = 0"
                )
