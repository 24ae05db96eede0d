"""Hosts on one machine: network namespaces with addresses of their own, on one bridge."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PREFIX = "detabed-test-"
NETWORK = "10.77.0"
"""Nothing outside the namespaces sees it."""
END_S = 120.0
_GROUPS = itertools.count()
"""Numbers of groups of hosts: a process may have several at a time, which do not reach each other."""


@dataclass(frozen=True)
class Host:
    """One of them. ``start`` and ``run`` execute commands there, as this user and with these files."""

    namespace: str
    address: str
    port: str
    """Its interface on the bridge."""
    started: list[subprocess.Popen[str]] = field(default_factory=list, compare=False, repr=False)

    def command(self, *arguments: str) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *arguments]

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """A process, in a session of its own; it is killed when the hosts are removed."""
        process = subprocess.Popen(
            self.command(*arguments),
            **{"text": True, "start_new_session": True, "env": environment(), **options},
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """A command, to its end."""
        defaults = {"text": True, "capture_output": True, "timeout": 300, "env": environment()}
        return subprocess.run(self.command(*arguments), **{**defaults, **options})

    def python(self, *arguments: str) -> tuple[str, ...]:
        return (sys.executable, *arguments)

    def cut(self) -> None:
        """Pull the cable."""
        _ip("-n", _switch(self.namespace), "link", "set", self.port, "down")

    def heal(self) -> None:
        _ip("-n", _switch(self.namespace), "link", "set", self.port, "up")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@contextlib.contextmanager
def hosts(count: int) -> Iterator[tuple[Host, ...]]:
    """``count`` hosts that reach each other and nothing else; the first may be the coordinator's.

    They and every process in them are gone afterwards, also after an error. Skips the test, with the reason, where
    the kernel or this user's rights do not allow it.
    """
    if shutil.which("ip") is None:
        pytest.skip("hosts of network namespaces need the program ip (iproute2)")
    _remove_forgotten()
    stem = f"{PREFIX}{os.getpid()}-{next(_GROUPS)}-"
    made = tuple(Host(f"{stem}{number}", f"{NETWORK}.{10 + number}", f"p{number}") for number in range(count))
    try:
        try:
            _connect(f"{stem}switch", made)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
        yield made
    finally:
        _end([process for host in made for process in host.started])
        _remove([*(host.namespace for host in made), f"{stem}switch"])


def _connect(switch: str, made: Sequence[Host]) -> None:
    _ip("netns", "add", switch)
    _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
    _ip("-n", switch, "link", "set", "bridge", "up")
    for host in made:
        _ip("netns", "add", host.namespace)
        cable = ("link", "add", "eth0", "netns", host.namespace, "type", "veth")
        _ip(*cable, "peer", "name", host.port, "netns", switch)
        _ip("-n", switch, "link", "set", host.port, "master", "bridge", "up")
        _ip("-n", host.namespace, "link", "set", "lo", "up")
        _ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
        _ip("-n", host.namespace, "link", "set", "eth0", "up")


def _switch(namespace: str) -> str:
    return f"{namespace.rpartition('-')[0]}-switch"


def _ip(*arguments: str) -> str:
    return subprocess.run(("ip", *arguments), check=True, capture_output=True, text=True).stdout


def namespaces() -> list[str]:
    """Those of this helper, of any process."""
    names = (line.split()[0] for line in _ip("netns", "list").splitlines() if line.strip())
    return [name for name in names if name.startswith(PREFIX)]


def _remove_forgotten() -> None:
    """Those of test processes that were killed."""
    of_the_dead = [
        name
        for name in namespaces()
        if not Path(f"/proc/{name.removeprefix(PREFIX).partition('-')[0]}").exists()
    ]
    _remove(of_the_dead)


def _end(started: Sequence[subprocess.Popen[str]]) -> None:
    """Also those that are not in their namespace yet."""
    for process in started:
        if process.poll() is None:
            process.kill()
    for process in started:
        process.wait(END_S)


def _remove(names: Sequence[str]) -> None:
    there = set(namespaces())
    mine = [name for name in names if name in there]
    end = time.monotonic() + END_S
    while pids := [int(pid) for name in mine for pid in _ip("netns", "pids", name).split()]:
        for pid in pids:  # nothing but what was started in these namespaces is in them
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > end:
            raise TimeoutError(f"processes {pids} do not end")
        time.sleep(0.02)
    for name in mine:
        _ip("netns", "delete", name)
