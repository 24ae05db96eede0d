"""The hosts of these tests: they reach each other, and nothing is left of them."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from experiments.cluster.agent.process import started_at
from tests.boards.hosts import ROOT, Host, environment, hosts, namespaces

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="namespaces are Linux's"),
]
ANSWER = """
import socket, sys
server = socket.create_server((sys.argv[1], 0))
print(server.getsockname()[1], flush=True)
while True:
    connection, (caller, _) = server.accept()
    with connection:
        connection.sendall(caller.encode())
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])) as connection:
    print(connection.recv(100).decode())
"""


def ours() -> list[str]:
    return [name for name in namespaces() if f"-{os.getpid()}-" in name]


def ask(host: Host, address: str, port: str, patience_s: float) -> subprocess.CompletedProcess[str]:
    return host.run(*host.python("-c", ASK, address, port, str(patience_s)))


def test_hosts_know_each_other_by_address_until_the_cable_is_pulled() -> None:
    with hosts(3) as (one, two, three):
        server = two.start(*two.python("-c", ANSWER, two.address), stdout=subprocess.PIPE)
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        for caller in (one, three):
            assert ask(caller, two.address, port, 30.0).stdout.strip() == caller.address
        two.cut()
        assert ask(one, two.address, port, 0.5).returncode != 0
        two.heal()
        assert ask(one, two.address, port, 30.0).stdout.strip() == one.address
        assert ask(one, "192.0.2.1", "9", 0.5).returncode != 0, "nothing outside is reached"


def test_a_process_may_have_two_groups_of_hosts_at_a_time() -> None:
    with hosts(2) as (one, _):
        server = one.start(*one.python("-c", ANSWER, one.address), stdout=subprocess.PIPE)
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        with hosts(2) as (_, other):
            assert ask(other, one.address, port, 30.0).returncode != 0, (
                "they are others, with the same addresses"
            )
        assert ask(one, one.address, port, 30.0).stdout.strip() == one.address, "those of the first are left"


def test_nothing_is_left_after_an_error() -> None:
    started: list[int] = []

    def fail() -> None:
        with hosts(2) as (one, _):
            process = one.start("sleep", "600")
            started.append(process.pid)
            assert ours() != []
            raise RuntimeError("a test failed")

    with pytest.raises(RuntimeError, match="a test failed"):
        fail()
    assert ours() == []
    assert started_at(started[0]) is None, "no such process lives"


def test_what_a_killed_process_left_is_removed_by_the_next() -> None:
    code = "import os; from tests.boards.hosts import hosts; hosts(1).__enter__(); os._exit(9)"
    with hosts(1):
        done = subprocess.run([sys.executable, "-c", code], env=environment(), cwd=ROOT, timeout=300)
    assert done.returncode == 9
    forgotten = [name for name in namespaces() if f"-{os.getpid()}-" not in name]
    with hosts(1):
        assert not set(forgotten) & {name for name in namespaces() if not alive(name)}
    assert not [name for name in namespaces() if not alive(name)]


def alive(name: str) -> bool:
    return psutil.pid_exists(int(name.split("-")[2]))


def test_where_the_kernel_forbids_it_the_test_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.skip.Exception, match="iproute2"), hosts(1):
        pass


def test_without_the_right_to_the_test_is_skipped() -> None:
    code = """
import os, pytest
from tests.boards.hosts import hosts
os.setgid(65534); os.setuid(65534)
try:
    with hosts(1):
        print("made")
except pytest.skip.Exception as reason:
    print(reason)
"""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "no network namespaces here" in done.stdout, done.stderr
