"""The watch of Ray's own process, beside children of this process that come and go; test_fleet.py has real ones."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from experiments.fleet.raylet_watch import RayletWatch


def test_a_child_that_ends_while_the_raylet_is_looked_for_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        ended = psutil.Process(process.pid)
    monkeypatch.setattr(psutil.Process, "children", lambda self: [ended])
    watch = RayletWatch()
    watch.start()
    watch.check()
    watch.stop()
