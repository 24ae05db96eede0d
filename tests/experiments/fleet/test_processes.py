"""Processes of a virtual fleet, and which scenarios start Ray."""

from __future__ import annotations

import pytest

from experiments.fleet.processes import NODES_PER_PROCESS, learner_count, uses_ray
from experiments.scenario.model import parse_scenario


@pytest.mark.parametrize(
    ("processes", "nodes", "cpus", "count"),
    [
        ("auto", 12, 8, 1),
        ("auto", 3 * NODES_PER_PROCESS, 8, 3),
        ("auto", 100_000, 8, 8),
        ("auto", 100_000, 1, 1),
        (3, 10, 2, 3),
        (3, 2, 8, 2),
    ],
)
def test_how_many_processes_train(processes: str | int, nodes: int, cpus: int, count: int) -> None:
    assert learner_count(processes, nodes, cpus) == count


@pytest.mark.parametrize(
    ("task", "fleet", "ray"),
    [
        ('data = "digits"', 'kind = "ray"', True),
        ('data = "digits"', 'kind = "inprocess"', False),
        ('data = "digits"', 'kind = "virtual"', False),
        ('data = "digits"', 'kind = "virtual"\nprocesses = 2', True),
        ('data = "digits"', 'kind = "virtual"\nprocesses = 1', False),
        ('data = "digits"', 'kind = "virtual"\naddress = "10.0.0.1:6379"', True),
        ('name = "none"', 'kind = "virtual"', False),
    ],
)
def test_which_scenarios_start_ray(task: str, fleet: str, ray: bool) -> None:
    text = f'[task]\n{task}\n[fleet]\n{fleet}\n[[nodes]]\nzone = "DE"\ncount = 12\n'
    assert uses_ray(parse_scenario(text)) is ray
