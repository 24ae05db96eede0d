"""The server's process says in one line what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.processes
@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("", "Invalid JSON"),
        ('{"path": "m", "threads": 0}', "greater than or equal to 1"),
        ('{"x": 1}', "path"),
    ],
)
def test_settings_that_are_wrong(told: str, why: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge_node.language.process"],
        input=told + "\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert why in json.loads(done.stdout)["failed"]
    assert done.stderr == ""
