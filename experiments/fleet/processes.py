"""Processes of a virtual fleet, and whether a scenario's fleet starts Ray. Imports nothing that starts threads."""

from __future__ import annotations

from edge_node.tasks.none import NAME
from experiments.scenario.model import Scenario

from .machine import cpu_count

NODES_PER_PROCESS = 200
"""``processes = "auto"``: a further process pays where so many nodes are its share (choice: Ray and torch take about
ten CPU seconds to start)."""


def learner_count(processes: str | int, nodes: int, cpus: int | None = None) -> int:
    """Processes that train ``nodes`` rows. ``processes``: ``auto`` or a number; ``cpus``: that may be used, None: this
    machine's."""
    if isinstance(processes, int):
        return min(processes, nodes)
    return max(1, min(cpu_count() if cpus is None else cpus, nodes // NODES_PER_PROCESS))


def uses_ray(scenario: Scenario) -> bool:
    """Whether processes under Ray run any part of the scenario."""
    fleet = scenario.fleet
    if fleet.kind != "virtual":
        return fleet.kind == "ray"
    if scenario.task.name == NAME:
        return False
    return fleet.address is not None or learner_count(fleet.processes, scenario.node_count) > 1
