"""The laptop with a cluster, and boards with sshd that have joined it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from experiments.cli import invoke
from experiments.cluster.agent.process import Recorded
from experiments.cluster.authority import Use
from experiments.cluster.board_setup import board_values, write_board_file
from experiments.cluster.cluster import Cluster
from tests.boards.hosts import Host, hosts
from tests.boards.ssh_boards import SshBoards
from tests.experiments.commands.test_commands import documented


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


class Desk:
    """The laptop, its cluster and two boards that have joined."""

    def __init__(self, made: tuple[Host, ...], folder: Path) -> None:
        self.laptop, self.folder = made[0], folder / "desk"
        self.folder.mkdir()
        self.boards = SshBoards(folder / "boards", {f"n{k}": host for k, host in enumerate(made[1:])})
        self.inventory = self.folder / "boards.toml"
        self.boards.inventory(self.inventory)
        self.cluster = Cluster.make(self.inventory)
        for node_id in self.boards.hosts:
            self.join(node_id, node_id)

    def join(self, board: str, node_id: str) -> None:
        """What ``detabed node join`` leaves on a board."""
        home = self.boards.home(board)
        place, identity = home / "config" / "detabed", home / "config" / "detabed" / node_id
        place.mkdir(parents=True, exist_ok=True)
        if not identity.exists():
            self.cluster.authority.write_identity(identity, (node_id,), Use.NODE)
            issued = self.folder / "boards.access" / "issued" / f"{node_id}.pem"
            issued.write_bytes((identity / "certificate.pem").read_bytes())
        (place / "board.json").unlink(missing_ok=True)
        folders = {"certificates": identity, "folder": home / "state", "own_code": home / "own"}
        values = board_values(place / "board.json", node_id, self.laptop.address, None, folders)
        write_board_file(place / "board.json", values)

    def detabed(self, *arguments: str) -> Done:
        """A command in this process, whose ``ssh`` is that of the laptop."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = invoke(["cluster", *arguments, "--inventory", str(self.inventory)])
        return Done(code, out.getvalue(), err.getvalue())

    def asked(self, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
        done = self.detabed(*arguments, "--json")
        assert done.returncode == exit_code, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert set(found) == documented(f"cluster {arguments[0]}")
        return found["boards"]

    def refused(self, *arguments: str, exit_code: int = 2) -> str:
        """The sentence; and no daemon runs."""
        done = self.detabed(*arguments)
        assert done.returncode == exit_code, done
        assert "Traceback" not in done.stderr
        assert not any(self.recorded(node_id).pid() for node_id in self.boards.hosts)
        return " ".join(done.stderr.split())

    def recorded(self, node_id: str) -> Recorded:
        return Recorded(self.boards.home(node_id) / "state")


@contextlib.contextmanager
def desk_and_boards(folder: Path, boards: int) -> Iterator[Desk]:
    """Hosts of their own; commands in this process use the laptop's ``ssh`` and ``scp``."""
    with hosts(1 + boards) as made, pytest.MonkeyPatch.context() as patch:
        for name in ("ssh", "scp"):
            program = folder / "bin" / name
            program.parent.mkdir(exist_ok=True)
            there = " ".join(made[0].command(shutil.which(name) or name))
            program.write_text(f'#!/bin/sh\nexec {there} "$@"\n')
            program.chmod(0o755)
        patch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        yield Desk(made, folder)
