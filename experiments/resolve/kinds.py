"""Kinds of training: what a scenario has to have for them, and what makes no sense with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coordinator.policies.energy_proportional import EnergyProportional
from coordinator.policies.registry import make_policy
from coordinator.policies.selection import ClientsPerRound
from edge_node.config import PartsConfig
from edge_node.tasks.none import WITHOUT_TASK
from edge_node.tasks.parts.cut import cut_names, find_cut
from edge_node.tasks.registry import TASKS, find_task
from experiments.errors import UsageError
from experiments.resolve.chosen_policy import chosen_traits, policy_settings
from experiments.scenario.model import Scenario
from experiments.scenario.names import node_name
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
        _server_index(scenario)
    task = find_task(scenario.task.name)
    with scenario.at("task", "name"):
        _refuse_task(task, kind)
    if kind == "split":
        return
    _refuse_vertical(scenario, task)


def parts_of(scenario: Scenario, data: str) -> PartsConfig | None:
    """How the task's model is divided; None: every node trains all of it. Raises UsageError.

    ``data``: the data set really used."""
    spec = scenario.training
    if spec.kind == "federated":
        return None
    index = _server_index(scenario)
    name = node_name(index, scenario.node_count)
    if spec.kind == "vertical":
        return PartsConfig(kind=spec.kind, server=name, server_index=index)
    with scenario.at("training", "cut"):
        _refuse_cut(scenario, data)
    return PartsConfig(kind=spec.kind, server=name, server_index=index, cut=spec.cut, head=spec.head)


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


def _server_index(scenario: Scenario) -> int:
    names = [node_name(k, scenario.node_count) for k in range(scenario.node_count)]
    server = scenario.training.server
    if server is None:
        return 0
    if server not in names:
        raise UsageError(f'server = "{server}" is no node; allowed are {names[0]} to {names[-1]}')
    return names.index(server)


def _refuse_cut(scenario: Scenario, data: str) -> None:
    spec, task = scenario.training, find_task(scenario.task.name)
    try:
        allowed = cut_names(task, data)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if not spec.cut:
        raise UsageError(f'kind = "split" needs a cut; of task {task.name} allowed are {", ".join(allowed)}')
    try:
        cut = find_cut(scenario.task.name, data, spec.cut, spec.head)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if cut.shows_input or not cut.parts[0].names:
        raise UsageError(
            f'cut = "{spec.cut}" sends examples as they are, and a node would train nothing; of task {task.name} '
            f"allowed are {', '.join(allowed)}"
        )
    if not cut.upper.names:
        raise UsageError(
            f"the server would train nothing: no parameter lies after {spec.cut!r}"
            + (f" and before {spec.head!r}" if spec.head else "")
            + f"; of task {task.name} cuts are {', '.join(allowed)}"
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
