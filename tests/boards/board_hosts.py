"""Daemons on boards: a cluster's certificates, each board's own file, and the processes."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.cluster.authority import Use
from experiments.cluster.cluster import Cluster
from tests.boards.hosts import ROOT, environment

PORT = 7740
UP_S = 240.0


@dataclass
class Boards:
    """A cluster in ``folder``: ``boards.toml`` with its authority, and a folder for each board.

    Args:
        addresses: Of each board, by node id.
        coordinator: Where boards dial.
        start: Executes a command as a board does.
    """

    folder: Path
    addresses: dict[str, str]
    coordinator: str
    start: Callable[..., subprocess.Popen[str]]
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        boards = (f'[[boards]]\nname = "{n}"\naddress = "{a}"\n' for n, a in self.addresses.items())
        self.inventory.write_text("".join(boards))
        cluster = Cluster.make(self.inventory)
        for node_id in self.addresses:
            place = self.folder / node_id
            place.mkdir()
            self.own_code(node_id).mkdir()
            cluster.authority.write_identity(place / "identity", (node_id,), Use.NODE)
            own: dict[str, Any] = {
                "node_id": node_id,
                "coordinator": self.coordinator,
                "certificates": str(place / "identity"),
                "folder": str(place / "state"),
                "apps": True,
                "own_code": str(self.own_code(node_id)),
            }
            (place / "board.json").write_text(json.dumps(own))

    @property
    def inventory(self) -> Path:
        return self.folder / "boards.toml"

    def own_code(self, node_id: str) -> Path:
        """Where the board looks for users' modules."""
        return self.folder / node_id / "own"

    def daemon(self, node_id: str, **changes: str) -> subprocess.Popen[str]:
        """Start a board's daemon; ``changes``: of its environment."""
        place = self.folder / node_id
        log = (place / "log").open("a")
        process = self.start(
            node_id,
            *("-P", "-m", "edge_node", str(place / "board.json"), "--log", "info"),
            cwd=place,
            env={**environment(), "PYTHONPATH": str(ROOT), **changes},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self.processes[node_id] = process
        return process

    def said(self, node_id: str) -> str:
        return (self.folder / node_id / "log").read_text()

    def told(self, node_id: str) -> list[dict[str, Any]]:
        """What the daemon announced, in order."""
        return [json.loads(line) for line in self.said(node_id).splitlines() if line.startswith("{")]

    def end(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait(60)


def until(condition: Callable[[], Any], said: Callable[[], str] = lambda: "") -> Any:
    """What ``condition`` gives as soon as it holds."""
    end = time.monotonic() + UP_S
    while not (found := condition()):
        assert time.monotonic() < end, said()
        time.sleep(0.1)
    return found
