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

PATIENCE_S = 120.0

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


def wait_until(condition, limit_s=PATIENCE_S):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_forks_of_the_process_started_ahead_serve_one_run_after_the_other(config, module, ahead, tmp_path):
    ahead.prepare()
    ahead.prepare()  # there is one: no second
    original = waiting_pid(tmp_path)
    for name in ("first", "second"):
        run = tmp_path / name
        run.mkdir()
        with Supervisor(config, run, module=module, ahead=ahead) as supervisor:
            forked = supervisor.pid
            assert psutil.Process(forked).ppid() == original
            assert os.getsid(forked) == forked, "Ctrl-C is for the runner"
            assert (run / "coordinator.log").read_text().split() == ["started", str(forked)]
        assert not alive(forked)
        assert alive(original)
    assert (tmp_path / "imported").read_text() == str(original)


def test_a_fork_has_the_environment_that_who_asks_has_by_then(tmp_path, monkeypatch):
    package = tmp_path / "says_environment"
    package.mkdir()
    (package / "__init__.py").write_text("")
    said = "import os\nprint(os.environ.get('CAME'), os.environ.get('WENT'), os.environ['OMP_NUM_THREADS'])\n"
    (package / "__main__.py").write_text(f"if __name__ == '__main__':\n{textwrap.indent(said, '    ')}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("WENT", "still there")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    ahead = Ahead("says_environment")
    ahead.prepare()
    try:
        assert ahead.take([], tmp_path / "log").stdout.read().split() == ["None", "still", "there", "1"]
        monkeypatch.setenv("CAME", "later")
        monkeypatch.delenv("WENT")
        assert ahead.take([], tmp_path / "log").stdout.read().split() == ["later", "None", "1"]
    finally:
        ahead.stop()


def test_the_coordinator_is_forked_before_any_thread_has_started(ahead, tmp_path):
    """numpy's library would start threads as it is imported."""
    ahead = Ahead()
    ahead.prepare()
    forked = ahead.take(["--help"], tmp_path / "log")
    original = psutil.Process(ahead._original.result()._process.pid)  # the fork may have ended by now
    assert original.num_threads() == 1
    assert forked.wait(PATIENCE_S) == 0
    assert "coordinator as a process of its own" in (tmp_path / "log").read_text()
    ahead.stop()


@pytest.mark.parametrize("code", [0, 3, -signal.SIGKILL, -signal.SIGTERM])
def test_exit_codes_are_told(ahead, module, tmp_path, code):
    end = f"os._exit({code})" if code >= 0 else f"os.kill(os.getpid(), {-code})"
    (tmp_path / "early_server" / "__main__.py").write_text(
        f"import os\nif __name__ == '__main__':\n    {end}\n"
    )
    ahead.prepare()
    forked = ahead.take([], tmp_path / "log")
    assert forked.wait(PATIENCE_S) == forked.poll() == code
    forked.kill()  # without effect


def test_a_wait_has_a_limit(config, module, ahead, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(config.model_dump_json())
    ahead.prepare()
    forked = ahead.take([str(path)], tmp_path / "log")
    assert "address" in forked.stdout.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        forked.wait(0.05)
    assert forked.poll() is None
    forked.terminate()
    assert forked.wait(PATIENCE_S) == -signal.SIGTERM


def test_where_the_original_is_killed_its_forks_end_and_that_is_told(config, module, ahead, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(config.model_dump_json())
    ahead.prepare()
    original = waiting_pid(tmp_path)
    forked = ahead.take([str(path)], tmp_path / "log")
    assert "address" in forked.stdout.readline()
    os.kill(original, signal.SIGKILL)
    assert forked.wait(PATIENCE_S) == -signal.SIGKILL
    assert not alive(forked.pid)


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
