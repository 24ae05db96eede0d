"""The benchmark of learning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.learning import CASES, Case, bare_round, federated, our_round, plain_model
from edge_node.tasks.registry import find_task

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["mlp_120", "cnn", "lstm"])
def test_what_is_compared_has_the_same_size(name: str) -> None:
    task = CASES[name].task
    sizes = [
        sum(p.numel() for p in model.parameters()) for model in (plain_model(task), find_task(task).model())
    ]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("task", ["mnist-mlp", "mnist-cnn"])
def test_both_loops_learn(task: str) -> None:
    case = Case(task, "digits", 16, 1)
    bare_round(case)()
    our_round(case, "bfloat16", [0, 1])()
    losses = [federated(case, "float32", rounds)[0] for rounds in (0, 3)]
    assert losses[1] < losses[0]


COUNTED = """
import time
from benchmarks.learning import tree_cpu_s
before_s, begun_s = tree_cpu_s(), time.process_time()
while time.process_time() < begun_s + 0.2:
    pass
print(tree_cpu_s() - before_s)
"""


def test_cpu_seconds_of_the_process_are_counted() -> None:
    """In one of its own: here a child that another test left may end meanwhile, and its seconds with it."""
    command = [sys.executable, "-c", COUNTED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) >= 0.1
