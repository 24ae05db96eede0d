"""Which node a board is: its ``board.json`` and its certificate, as the daemon would take them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

VALIDATE = """
import sys
from pathlib import Path
from edge_node.board_file import read_board_file
try:
    read_board_file(Path(sys.argv[1]))
except ValueError as error:
    sys.exit(" ".join(str(error).split()))
"""
PATIENCE_S = 60.0


class Refused(Exception):
    """The board does not do what it is asked; says why and what to do."""


def board_file() -> Path:
    """Where ``detabed node join`` writes it, unless told otherwise (XDG base directories)."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "detabed" / "board.json"


def identity(node_id: str | None = None) -> dict[str, Any]:
    """Who the board is. Raises Refused where it has not joined, or is not ``node_id``."""
    path = board_file()
    try:
        board = json.loads(path.read_text(encoding="utf-8"))
        found, folder, certificates = board["node_id"], board["folder"], Path(board["certificates"])
    except FileNotFoundError:
        raise Refused(f"it has not joined ({path} is not there)") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{path} cannot be used ({error!r}): join again, or mend it") from None
    if node_id is not None and found != node_id:
        raise Refused(f"it answers as {found}")
    certificate = certificates / "certificate.pem"
    return {
        "node_id": found,
        "board_file": str(path),
        "folder": folder,
        "meter": board.get("meter"),
        "data": board.get("data"),
        "own_code": board.get("own_code"),
        "certificate": certificate.read_text() if certificate.is_file() else None,
    }


def fault(path: str) -> str:
    """What the installed daemon would say against its file; empty: nothing."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", VALIDATE, path],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
