"""A Ray cluster over hosts of network namespaces: its head on the first, a board on each of the others."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from experiments.cluster.authority import Authority, Use
from experiments.fleet.ray_cluster import board_resource
from protos.access.files import AUTHORITY, CERTIFICATE, KEY, write_private
from tests.boards.hosts import Host, environment

PORT = 6379
STARTS = 4


@dataclass
class RayHosts:
    """Laptop, boards, and what every process of the cluster needs in its environment."""

    laptop: Host
    boards: tuple[Host, ...]
    folder: Path
    protected: dict[str, str]
    processes: dict[int, subprocess.Popen[str]] = field(default_factory=dict)
    """Of the boards, by place."""

    @property
    def address(self) -> str:
        return f"{self.laptop.address}:{PORT}"

    def environment(self, host: Host) -> dict[str, str]:
        """Token, and certificates of this host."""
        place = self.folder / host.address
        tls = {
            "RAY_USE_TLS": "1",
            "RAY_TLS_SERVER_CERT": str(place / CERTIFICATE),
            "RAY_TLS_SERVER_KEY": str(place / KEY),
            "RAY_TLS_CA_CERT": str(place / AUTHORITY),
        }
        return {**environment(), **self.protected, **tls}

    def raylet(self, place: int, node_id: str) -> None:
        """Start that of a board; returns when Ray counts it."""
        host = self.boards[place]
        resources = json.dumps({board_resource(node_id): 1})
        arguments = ("--address", self.address, "--num-cpus", "1", "--resources", resources)
        self.processes[place] = self._up(
            host, f"{node_id}.out", "--node-ip-address", host.address, *arguments
        )

    def kill_raylet(self, place: int) -> None:
        """kill -9, with what hangs on it."""
        process = self.processes[place]
        (raylet,) = (child for child in psutil.Process(process.pid).children() if child.name() == "raylet")
        raylet.kill()
        process.wait(240)

    def head(self) -> None:
        arguments = ("--head", "--port", str(PORT), "--num-cpus", "0", "--temp-dir", str(self.folder / "ray"))
        address = ("--node-ip-address", self.laptop.address, "--include-dashboard=false")
        self._up(self.laptop, "head.out", *address, *arguments)

    def _up(self, host: Host, log: str, *arguments: str) -> subprocess.Popen[str]:
        """Start Ray, again where it gave up, as a supervisor does."""
        path = self.folder / log
        for _ in range(STARTS):
            with path.open("w") as file:
                process = host.start(*_START, *arguments, **self._options(host, file))
            while process.poll() is None:
                if "Ray runtime started" in path.read_text():
                    return process
                time.sleep(0.2)
        raise AssertionError(path.read_text())

    def _options(self, host: Host, log: Any) -> dict[str, Any]:
        return {"stdout": log, "stderr": subprocess.STDOUT, "env": self.environment(host), "cwd": self.folder}

    def detabed(self, *arguments: str) -> subprocess.Popen[str]:
        """A command on the laptop."""
        return self.python("-m", "experiments.cli", *arguments)

    def python(self, *words: str) -> subprocess.Popen[str]:
        """Python on the laptop."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return self.laptop.start(
            sys.executable,
            *words,
            **pipes,
            env=self.environment(self.laptop),
            cwd=self.folder,
        )


_PATIENT = """
from ray._private import services
from ray.scripts.scripts import main
from experiments.fleet.ray_local import _awaited_node
services.get_node = _awaited_node
main()
"""
"""Ray's command of this interpreter's environment, which need not be on PATH; else it waits 30 s for its raylet."""
_RAY = (sys.executable, "-c", _PATIENT)
_START = (*_RAY, "start", "--block", "--disable-usage-stats", "--object-store-memory", "100000000")


@contextlib.contextmanager
def ray_hosts(made: Sequence[Host], node_ids: Sequence[str]) -> Iterator[RayHosts]:
    """Head and boards, with token and TLS of one authority. Ray's sockets need a short folder."""
    laptop, *boards = made
    with tempfile.TemporaryDirectory(prefix="dt-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        authority = Authority.make("ray")
        for host in made:
            authority.write_identity(folder / host.address, (host.address, "127.0.0.1"), Use.NODE)
        write_private(folder / "token", secrets.token_hex(32).encode())
        protected = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token")}
        cluster = RayHosts(laptop, tuple(boards), folder, protected)
        cluster.head()
        for place, node_id in enumerate(node_ids):
            cluster.raylet(place, node_id)
        yield cluster
