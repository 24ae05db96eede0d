"""Coordinators started ahead, with a small server of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from experiments.fleet.ahead import Ahead
from experiments.fleet.supervisor import Supervisor

SERVER = """
import json, os, socket, sys
config = json.load(open(sys.argv[1]))
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((config["host"], config["port"]))
server.listen()
print("started", os.getpid(), file=sys.stderr, flush=True)
print(json.dumps({"address": "127.0.0.1:%d" % server.getsockname()[1]}), flush=True)
while True:
    server.accept()[0].close()
"""
IMPORTED = """
import os, pathlib
(pathlib.Path(__file__).parent.parent / "imported").write_text(str(os.getpid()))
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that leaves its process number in ``imported`` when it is imported."""
    package = tmp_path / "early_server"
    package.mkdir()
    (package / "__init__.py").write_text(textwrap.dedent(IMPORTED))
    (package / "__main__.py").write_text(f"if __name__ == '__main__':\n{textwrap.indent(SERVER, '    ')}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    return "early_server"


@pytest.fixture
def ahead(module):
    ahead = Ahead(module)
    yield ahead
    ahead.stop()


def waiting_pid(folder: Path) -> int:
    """Of the process that has imported the module."""
    wait_until(lambda: (folder / "imported").exists() and (folder / "imported").read_text())
    return int((folder / "imported").read_text())


def wait_until(condition, limit_s=30.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_process_started_ahead_serves_the_run(config, module, ahead, tmp_path):
    ahead.prepare()
    ahead.prepare()  # one waits: no second
    waits = waiting_pid(tmp_path)
    run = tmp_path / "run"
    run.mkdir()
    assert not list(run.iterdir())
    with Supervisor(config, run, module=module, ahead=ahead) as supervisor:
        assert supervisor.pid == waits
        assert (run / "coordinator.log").read_text().split() == ["started", str(waits)]
    assert not alive(waits)


def test_one_that_dies_in_the_run_is_started_again_on_its_port(config, module, ahead, tmp_path):
    ahead.prepare()
    with Supervisor(config, tmp_path, module=module, ahead=ahead) as supervisor:
        address, first = supervisor.address, supervisor.pid
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: supervisor.restarts)
        assert supervisor.address == address
        assert supervisor.pid != first
    assert (tmp_path / "coordinator.log").read_text().count("started") == 2


def test_without_one_or_when_it_has_ended_the_run_starts_its_own(config, module, ahead, tmp_path):
    with Supervisor(config, tmp_path, module=module, ahead=ahead) as supervisor:
        own = supervisor.pid
    (tmp_path / "imported").unlink()
    ahead.prepare()
    waits = waiting_pid(tmp_path)
    os.kill(waits, signal.SIGKILL)
    wait_until(lambda: not alive(waits))
    with Supervisor(config, tmp_path, module=module, ahead=ahead) as supervisor:
        assert supervisor.pid not in (own, waits)
        assert not supervisor.restarts
    assert (tmp_path / "coordinator.log").read_text().count("started") == 2


def test_one_that_is_not_needed_ends(ahead, tmp_path):
    ahead.prepare()
    waits = waiting_pid(tmp_path)
    ahead.stop()
    assert not alive(waits)
    ahead.stop()


def test_it_dies_with_its_parent(module, tmp_path):
    code = f"""
import time
from experiments.fleet.ahead import Ahead
Ahead({module!r}).prepare()
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", code])
    waits = waiting_pid(tmp_path)
    parent.kill()
    parent.wait()
    wait_until(lambda: not alive(waits))
