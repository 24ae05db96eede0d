"""Fault 2: a second kill while the coordinator restarted ended the run with restarts left."""

from __future__ import annotations

import os
import signal
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.fleet.supervisor import CoordinatorError, Supervisor

SERVER = """
import json, os, pathlib, signal, sys, time
starts = pathlib.Path(__file__).with_name("starts")
launch = len(starts.read_text()) if starts.exists() else 0
with starts.open("a") as file:
    file.write("x")
if launch in (1, 2):  # killed while it comes back
    os.kill(os.getpid(), signal.SIGKILL)
print(json.dumps({"address": "127.0.0.1:1"}), flush=True)
time.sleep(600)
"""


@pytest.fixture
def supervisor_of(tmp_path: Path, kit: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Supervisor]:
    (tmp_path / "dying_server.py").write_text(textwrap.dedent(SERVER))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    return lambda restarts: Supervisor(
        kit.make_config(tmp_path), tmp_path, module="dying_server", restarts=restarts
    )


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def failed(supervisor: Supervisor) -> bool:
    try:
        supervisor.check()
    except CoordinatorError:
        return True
    return False


def test_deaths_while_it_starts_use_up_restarts_and_no_more(supervisor_of: Any, tmp_path: Path) -> None:
    with supervisor_of(3) as supervisor:
        os.kill(supervisor.pid, signal.SIGKILL)
        wait_until(lambda: len(supervisor.restarts) == 3 or failed(supervisor))
        supervisor.check()
        os.kill(supervisor.pid, 0)
        assert [restart.exit_code for restart in supervisor.restarts] == [-signal.SIGKILL] * 3
        downs = [restart.down_s for restart in supervisor.restarts]
        assert downs == sorted(downs, reverse=True), "each counts from its own end"
    assert (tmp_path / "starts").read_text() == "xxxx"


def test_every_launch_counts(supervisor_of: Any, tmp_path: Path) -> None:
    with supervisor_of(1) as supervisor:
        os.kill(supervisor.pid, signal.SIGKILL)
        wait_until(lambda: failed(supervisor))
        with pytest.raises(
            CoordinatorError, match=r"died 2 times \(signal SIGKILL\); allowed are 1 restarts"
        ):
            supervisor.check()
    assert (tmp_path / "starts").read_text() == "xx"
