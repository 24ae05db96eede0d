"""The supervisor with a small server of its own; test_fleet.py has it with the real coordinator."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from experiments.fleet.supervisor import CoordinatorError, Supervisor, keep_port

SERVER = """
import json, os, socket, sys, time
config = json.load(open(sys.argv[1]))
if os.path.exists(config["run_id"] + ".broken"):
    sys.exit("told not to start")
while os.path.exists(config["run_id"] + ".waits"):
    open(config["run_id"] + ".there", "w").close()
    time.sleep(0.01)
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((config["host"], config["port"]))
server.listen()
print("started", file=sys.stderr, flush=True)
print(json.dumps({"address": "127.0.0.1:%d" % server.getsockname()[1]}), flush=True)
while True:
    connection, _ = server.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "small_server.py").write_text(textwrap.dedent(SERVER))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    return "small_server"


def ask_pid(address):
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        return int(connection.recv(100))


def wait_until(condition, limit_s=120.0):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_it_comes_back_on_the_same_port_and_says_so(config, module, tmp_path):
    with Supervisor(config, tmp_path, module=module) as supervisor:
        address, first = supervisor.address, supervisor.pid
        assert ask_pid(address) == first
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: supervisor.restarts)
        assert supervisor.address == address
        assert ask_pid(address) == supervisor.pid != first
        assert supervisor.restarts[0].exit_code == -signal.SIGKILL
        supervisor.check()
    assert (tmp_path / "coordinator.log").read_text().count("started") == 2
    with pytest.raises(CoordinatorError):
        _ = supervisor.pid


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ports are kept on Linux")
def test_no_other_program_is_given_its_port_while_it_is_away(config, module, tmp_path):
    with Supervisor(config, tmp_path, module=module) as supervisor:
        host, _, port = supervisor.address.rpartition(":")
        (tmp_path / "run.waits").touch()
        os.kill(supervisor.pid, signal.SIGKILL)
        wait_until((tmp_path / "run.there").exists)
        with socket.socket() as other, pytest.raises(OSError) as refused:
            other.bind((host, int(port)))
        assert refused.value.errno == errno.EADDRINUSE
        with pytest.raises(ConnectionRefusedError):
            ask_pid(supervisor.address)
        (tmp_path / "run.waits").unlink()
        wait_until(lambda: supervisor.restarts)
        assert ask_pid(supervisor.address) == supervisor.pid
    with socket.socket() as other:  # given up with the run
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((host, int(port)))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "no such host"])
def test_a_port_is_kept_of_any_host_that_there_is(host):
    if (kept := keep_port(host)) is None:
        assert host == "no such host" or sys.platform != "linux"
        return
    with kept, socket.socket(kept.family) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(kept.getsockname())
        server.listen()


def has_given_up(supervisor: Supervisor) -> bool:
    try:
        supervisor.check()
    except CoordinatorError:
        return True
    return False


def test_restarts_are_limited(config, module, tmp_path):
    with Supervisor(config, tmp_path, module=module, restarts=0) as supervisor:
        os.kill(supervisor.pid, signal.SIGKILL)
        wait_until(lambda: has_given_up(supervisor))
        with pytest.raises(CoordinatorError, match="SIGKILL"):
            supervisor.check()


def test_a_coordinator_that_does_not_start_is_an_error_that_names_the_log(config, module, tmp_path):
    (tmp_path / "run.broken").touch()
    with pytest.raises(CoordinatorError, match=r"exit code 1.*told not to start.*coordinator\.log"):
        Supervisor(config, tmp_path, module=module).start()
    assert "told not to start" in (tmp_path / "coordinator.log").read_text()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_it_dies_with_its_parent(config, module, tmp_path):
    (tmp_path / "config.json").write_text(config.model_dump_json())
    code = f"""
import pathlib, sys, time
from coordinator.config import CoordinatorConfig
from experiments.fleet.supervisor import Supervisor
folder = pathlib.Path({str(tmp_path)!r})
config = CoordinatorConfig.model_validate_json((folder / "config.json").read_text())
supervisor = Supervisor(config, folder, module={module!r})
supervisor.start()
print(supervisor.pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = json.loads(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not alive(child))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second: it went away after the file was opened
        return False
