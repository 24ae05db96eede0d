"""Boards with sshd: a host of network namespaces each, with folders of its own in place of a user's."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.boards.hosts import ROOT, Host

PROGRAM = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""
CONFIG = """
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
SetEnv {environment}
"""
CLIENT = """
Host *
    IdentityFile {folder}/key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
"""


@dataclass
class SshBoards:
    """Boards by node id, that the laptop reaches with ``config``.

    Args:
        folder: For keys, and for what is a user's home on each board.
        hosts: By node id.
    """

    folder: Path
    hosts: Mapping[str, Host]
    python: str = sys.executable
    """Of their installations."""
    servers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not PROGRAM:
            pytest.skip("boards are reached by ssh: openssh-server is not installed")
        self.folder.mkdir(parents=True, exist_ok=True)
        _key(self.folder / "key")
        known = []
        for node_id, host in self.hosts.items():
            place = self.home(node_id)
            place.mkdir()
            _key(place / "host_key")
            (place / "authorized_keys").write_text((self.folder / "key.pub").read_text())
            known.append(f"{host.address} {(place / 'host_key.pub').read_text()}")
            self.serve(node_id)
        (self.folder / "known_hosts").write_text("".join(known))
        self.config.write_text(CLIENT.format(folder=self.folder))

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    def home(self, node_id: str) -> Path:
        return self.folder / node_id

    def environment(self, node_id: str) -> dict[str, str]:
        """Of a login there."""
        places = {f"XDG_{name}_HOME": str(self.home(node_id) / name.lower()) for name in XDG}
        return {**places, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def serve(self, node_id: str, **changes: str) -> None:
        """(Re)start the board's sshd; ``changes``: of the environment of logins."""
        self.end(node_id)
        place, host = self.home(node_id), self.hosts[node_id]
        environment = " ".join(f'"{k}={v}"' for k, v in {**self.environment(node_id), **changes}.items())
        (place / "sshd_config").write_text(
            CONFIG.format(address=host.address, folder=place, environment=environment)
        )
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        log = (place / "sshd.log").open("a")
        self.servers[node_id] = host.start(PROGRAM, "-D", "-e", "-f", str(place / "sshd_config"), stderr=log)
        end = time.monotonic() + 60
        while "Server listening" not in (said := (place / "sshd.log").read_text()).rpartition("started")[2]:
            assert time.monotonic() < end, said
            assert self.servers[node_id].poll() is None, said
            time.sleep(0.05)
        with (place / "sshd.log").open("a") as file:
            file.write("started\n")

    def end(self, node_id: str) -> None:
        """Only the listening process: what was started in a login lives on, as on a board."""
        if (server := self.servers.pop(node_id, None)) is not None:
            server.terminate()
            server.wait(60)

    def inventory(self, path: Path, **boards: str) -> None:
        """An inventory of these boards; ``boards``: more lines of a board, by its name."""
        lines = [f'ssh_config = "{self.config}"']
        for node_id, host in self.hosts.items():
            lines += ["[[boards]]", f'name = "{node_id}"', f'address = "{host.address}"']
            lines += [
                f'python = "{self.python}"',
                f'user = "{getpass.getuser()}"',
                boards.get(node_id, ""),
            ]
        path.write_text("\n".join(lines) + "\n")


XDG = ("CONFIG", "DATA", "STATE", "CACHE")


def _key(path: Path) -> None:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
