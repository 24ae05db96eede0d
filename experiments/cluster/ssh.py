"""A board over ssh (OpenSSH's client, which never asks for a password): a question there, its answer here."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from experiments.cluster.agent.answer import MARK
from experiments.cluster.inventory import Board
from experiments.errors import UsageError

CONNECT_S = 10
PATIENCE_S, COPY_S = 120.0, 3600.0
_NO_CONNECTION = 255
_NOT_FOUND = (126, 127)
_LOADER = (
    "import sys,tempfile;f=tempfile.NamedTemporaryFile(suffix='.zip');f.write(sys.stdin.buffer.read());f.flush();"
    "sys.path.insert(0,f.name);from detabed_agent.answer import main;main()"
)
"""What the board's Python is started with: it takes the rest of its program from standard input."""
_OPTIONS = ("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_S}")


class BoardError(Exception):
    """A board does not do what it is asked; one sentence that names it, why, and what to do."""


class Ssh:
    """A board, asked over ssh.

    Args:
        board: Of the inventory.
        config: ssh_config(5) to use instead of the user's; None: the user's.
    """

    def __init__(self, board: Board, config: Path | None = None) -> None:
        self.board = board
        self._config = () if config is None else ("-F", str(config))

    def ask(self, ask: str, patience_s: float = PATIENCE_S, **request: Any) -> dict[str, Any]:
        """The answer of ``experiments.cluster.agent``. Raises BoardError."""
        asked = json.dumps({"ask": ask, **request})
        remote = shlex.join((self.board.python, "-P", "-c", _LOADER, asked))
        port = () if self.board.ssh_port is None else ("-p", str(self.board.ssh_port))
        user = () if self.board.user is None else ("-l", self.board.user)
        done = self._run(
            ("ssh", *self._common(), *port, *user, "--", self.board.address, remote), agent(), patience_s
        )
        if done.returncode != 0:
            raise BoardError(self._why(done.returncode, done.stderr.decode(errors="replace")))
        lines = done.stdout.decode(errors="replace").splitlines()
        for line in reversed(lines):
            if line.startswith(MARK):
                answer: dict[str, Any] = json.loads(line.removeprefix(MARK))
                break
        else:
            raise BoardError(f"{self.name} answers nothing of ours; its login must start no other program")
        if (refused := answer.get("refused")) is not None:
            raise BoardError(f"{self.name}: {refused}; {self._remedy(refused)}")
        return answer

    def copy(self, files: Sequence[Path], folder: str) -> None:
        """Send files into a folder there. Raises BoardError."""
        address = f"[{self.board.address}]" if ":" in self.board.address else self.board.address
        login = address if self.board.user is None else f"{self.board.user}@{address}"
        port = () if self.board.ssh_port is None else ("-P", str(self.board.ssh_port))
        names = map(str, files)
        done = self._run(
            ("scp", "-q", *self._common(), *port, "--", *names, f"{login}:{folder}/"), b"", COPY_S
        )
        if done.returncode != 0:
            said = " ".join(done.stderr.decode(errors="replace").split())
            raise BoardError(
                f"{self.name} did not take its files ({said}); nothing changed there, push again"
            )

    @property
    def name(self) -> str:
        return f"board {self.board.name} at {self.board.address}"

    def _common(self) -> tuple[str, ...]:
        return (*_OPTIONS, *self._config)

    def _run(
        self, command: Sequence[str], given: bytes, patience_s: float
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(command, input=given, capture_output=True, timeout=patience_s, check=False)
        except subprocess.TimeoutExpired:
            raise BoardError(
                f"{self.name} did not answer within {patience_s:g} s; look at its load and its network, then ask again"
            ) from None

    def _remedy(self, refused: str) -> str:
        if refused.startswith("it has not joined"):
            return f"detabed cluster invite {self.board.name}"
        if refused.startswith("it answers as"):
            return "correct its address in the inventory, or let that board join under this name"
        return "mend that on the board, then ask again"

    def _why(self, exit_code: int, said: str) -> str:
        last = (said.strip().splitlines() or ["ssh says nothing"])[-1]
        login = self.board.address if self.board.user is None else f"{self.board.user}@{self.board.address}"
        if exit_code in _NOT_FOUND:
            return (
                f"{self.name} has no {self.board.python} ({last}); install there (make board), or write its place as "
                "python of the board in the inventory"
            )
        if exit_code != _NO_CONNECTION:
            ended = f"{self.board.python} ended with exit code {exit_code} ({last})"
            return f"{self.name}: {ended}; is it Python 3.11 or newer?"
        if "IDENTIFICATION HAS CHANGED" in said:
            return (
                f"{self.name} has another host key than before: another machine answers there, or it was installed "
                f"anew; correct the address, or ssh-keygen -R {self.board.address}"
            )
        if "Host key verification failed" in said:
            return f"{self.name} is not known to ssh yet; type ssh {login} once and compare its key"
        if "Permission denied" in said:
            return f"{self.name} lets nobody in without a password; ssh-copy-id {login}; is its user right?"
        return f"{self.name} is not reached ({last}); is it switched on, with ssh, and its address right?"


def require_ssh() -> None:
    """Raises UsageError where OpenSSH's client is missing."""
    if missing := [name for name in ("ssh", "scp") if shutil.which(name) is None]:
        raise UsageError(f"there is no program {' or '.join(missing)} here: install OpenSSH's client")


@lru_cache(maxsize=1)
def agent() -> bytes:
    """The program for the board: ``experiments.cluster.agent`` as a zip archive that Python imports from."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in resources.files("experiments.cluster.agent").iterdir():
            if entry.name.endswith(".py"):
                archive.writestr(f"detabed_agent/{entry.name}", entry.read_bytes())
    return made.getvalue()
