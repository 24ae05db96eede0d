"""The systemd unit of a board's daemon: it starts with the board, and again whenever it ended."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from carbon_data.files.whole import whole_file
from experiments.errors import RunError, UsageError

NAME = "detabed-node.service"
BOOTED = Path("/run/systemd/system")
"""There where systemd runs, after sd_booted(3)."""
SYSTEM_FOLDER = Path("/etc/systemd/system")
RESTART_S = 10


class Kind(StrEnum):
    """Whose service manager: the machine's, the user's, or nobody's."""

    AUTO = "auto"
    USER = "user"
    SYSTEM = "system"
    NONE = "none"

    def chosen(self) -> Kind:
        """``auto``: the machine's for root, the user's for others, none where systemd does not run. Raises UsageError
        for one that cannot be had."""
        if self is Kind.AUTO:
            return Kind.NONE if not BOOTED.is_dir() else Kind.SYSTEM if os.geteuid() == 0 else Kind.USER
        if self is Kind.SYSTEM and not os.access(SYSTEM_FOLDER, os.W_OK):
            raise UsageError(
                f"{SYSTEM_FOLDER} cannot be written by this user: join with --unit user, or as root"
            )
        return self


@dataclass(frozen=True)
class Unit:
    """The unit of a node.

    Args:
        kind: ``USER`` or ``SYSTEM``.
        node_id: For its description.
        board_file: ``board.json``.
        folder: Where the daemon works.
    """

    kind: Kind
    node_id: str
    board_file: Path
    folder: Path

    @property
    def path(self) -> Path:
        if self.kind is Kind.SYSTEM:
            return SYSTEM_FOLDER / NAME
        base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return Path(base) / "systemd" / "user" / NAME

    def text(self) -> str:
        system = self.kind is Kind.SYSTEM
        lines = [
            "# Written by detabed node join.",
            "[Unit]",
            f"Description=detabed node {self.node_id}",
            # Only the machine's service manager knows these two.
            *(
                ["Wants=network-online.target", "After=network-online.target time-sync.target"]
                if system
                else []
            ),
            # It is started again for as long as it takes, also after many failures.
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            "Type=notify",
            f"ExecStart={_quoted(sys.executable)} -P -m edge_node {_quoted(self.board_file)}",
            f"WorkingDirectory={str(self.folder).replace('%', '%%')}",
            *([f"User={getpass.getuser()}"] if system else []),
            "Restart=always",
            f"RestartSec={RESTART_S}",
            "",
            "[Install]",
            f"WantedBy={'multi-user' if system else 'default'}.target",
        ]
        return "\n".join(lines) + "\n"

    def write(self) -> None:
        """In one step. Nothing is enabled or started."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(self.path) as draft:
            draft.write_text(self.text(), encoding="utf-8")

    def commands(self) -> tuple[tuple[str, ...], ...]:
        """What starts it now, and with the board from now on."""
        control = ("systemctl",) if self.kind is Kind.SYSTEM else ("systemctl", "--user")
        # A user's services start with the machine, and not with the first login, where the user lingers.
        lingering = () if self.kind is Kind.SYSTEM else (("loginctl", "enable-linger"),)
        return ((*control, "daemon-reload"), (*control, "enable", "--now", NAME), *lingering)

    def enable(self) -> None:
        """Execute ``commands``. Raises RunError with what the first that failed said."""
        for command in self.commands():
            done = _run(command)
            if done.returncode != 0:
                raise RunError(
                    f"{' '.join(command)}: {done.stderr.strip() or f'exit code {done.returncode}'}; the board has "
                    f"joined and {self.path} is written: mend that, then type it"
                )


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    if shutil.which(command[0]) is None:
        raise RunError(f"there is no program {command[0]} here: start the daemon with another supervisor")
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _quoted(word: str | Path) -> str:
    """One word of a unit's command line, after systemd.syntax(7)."""
    text = str(word).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"'
