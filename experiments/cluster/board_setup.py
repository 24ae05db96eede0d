"""A board's own file, ``board.json``: what ``detabed node join`` writes there, and keeps of an earlier one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from carbon_data.files.whole import write_durably
from carbon_data.refused import fault
from edge_node.board_file import BoardFile
from experiments.errors import UsageError

NAME = "board.json"


def board_values(
    path: Path, node_id: str, host: str, port: int | None, folders: Mapping[str, Path], **said: Any
) -> dict[str, Any]:
    """Content of the board's file: that of ``path``, where this node has one, with what is said now.

    Args:
        path: ``board.json``; may not exist yet.
        node_id: Who the board is.
        host: Where the runner's machine is.
        port: Which the daemon dials there; None: as the file has it, or 7740.
        folders: ``certificates``, ``folder`` and ``own_code``; the last two only where the file has none.
        said: Further keys; None leaves a key as it is.

    Raises UsageError, so that nothing is begun, for a value that the daemon would refuse, or the file of another node.
    """
    found = _found(path, node_id)
    if port is None:
        port = int(str(found.get("coordinator", ":7740")).rpartition(":")[2])
    values = {
        "node_id": node_id,
        "coordinator": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        **{name: str(folder) for name, folder in folders.items()},
        **{name: found[name] for name in found.keys() - {"node_id", "coordinator", "certificates"}},
        **{name: value for name, value in said.items() if value is not None},
    }
    try:
        # The folder of the certificates comes with them.
        BoardFile.model_validate({**values, "certificates": Path("/")})
    except ValidationError as error:
        faults = "; ".join(fault(item, "file") for item in error.errors())
        raise UsageError(
            f"{path} would be no file of a board: {faults}; correct the option, or the file"
        ) from None
    return values


def write_board_file(path: Path, values: Mapping[str, Any]) -> None:
    """In one step; readable, and written by people too."""
    Path(values["folder"]).mkdir(parents=True, exist_ok=True)
    write_durably(path, (json.dumps(values, indent=2) + "\n").encode())


def _found(path: Path, node_id: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
        known = found.get("node_id")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error}): mend it, or move it away") from None
    if known != node_id:
        raise UsageError(
            f"this board is {known} already ({path}), and the token is for {node_id}: detabed cluster invite {known}, "
            f"or move {path} away"
        )
    return found
