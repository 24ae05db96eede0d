"""How the scenario divides the task's model: at which operation, and which node trains the rest."""

from __future__ import annotations

from edge_node.config import PartsConfig
from edge_node.tasks.parts.cut import cut_names, find_cut
from edge_node.tasks.registry import find_task
from experiments.errors import UsageError
from experiments.scenario.model import Scenario
from experiments.scenario.names import node_name


def parts_of(scenario: Scenario, data: str) -> PartsConfig | None:
    """How the task's model is divided; None: every node trains all of it. Raises UsageError.

    ``data``: the data set really used."""
    spec = scenario.training
    if spec.kind == "federated":
        return None
    index = server_index(scenario)
    name = node_name(index, scenario.node_count)
    if spec.kind == "vertical":
        return PartsConfig(kind=spec.kind, server=name, server_index=index)
    with scenario.at("training", "cut"):
        _refuse_cut(scenario, data)
    return PartsConfig(kind=spec.kind, server=name, server_index=index, cut=spec.cut, head=spec.head)


def server_index(scenario: Scenario) -> int:
    """Number of the node that trains the rest of the model. Raises UsageError."""
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
