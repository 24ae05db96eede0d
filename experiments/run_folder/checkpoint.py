"""The checkpoint of an unfinished run: one file, replaced as a whole after every slot, and a line a slot beside it.

A safetensors file: models and the strategy's arrays are its tensors, all else is JSON in its header. Nothing is
pickled. Written by experiments.runs.recording; the header is read here without any library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.errors import UsageError
from experiments.run_folder.files import CHECKPOINT, PROGRESS

FORMAT = 2
WAITING_BY_REPORTS = 1
"""Format of versions whose books counted waiting work as nodes report it, and not as plans left it; the same otherwise.
What a run with deferral decided under it need not fit the books of today."""
STATE = "state"
"""Key of the header's metadata that holds the JSON."""
LARGEST_HEADER_BYTES = 100_000_000


def read_state(folder: Path) -> dict[str, Any] | None:
    """The JSON of a folder's checkpoint; None where there is none. Raises UsageError for a damaged file."""
    path = folder / CHECKPOINT
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > LARGEST_HEADER_BYTES:
                raise ValueError(f"a header of {size} bytes")
            state = json.loads(json.loads(file.read(size))["__metadata__"][STATE])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is no checkpoint ({error}); the run cannot be resumed: run its scenario.toml again"
        ) from None
    if not isinstance(state, dict) or state.get("format") not in (FORMAT, WAITING_BY_REPORTS):
        raise UsageError(f"{path} has another format; resume the run with the version that wrote it")
    return state


def append_line(folder: Path, line: Mapping[str, Any], synced: bool) -> None:
    """One more line of progress. ``synced``: it is on disk when this returns."""
    text = json.dumps(line, allow_nan=False, separators=(",", ":")) + "\n"
    with (folder / PROGRESS).open("ab+") as file:
        if file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
            file.write(b"\n")  # a power cut tore the line before
        file.write(text.encode())
        if synced:
            file.flush()
            os.fsync(file.fileno())


def read_lines(folder: Path) -> list[dict[str, Any]]:
    """All whole lines of progress; a torn last one was never acknowledged."""
    try:
        text = (folder / PROGRESS).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue  # torn by a power cut
    return found


def discard(folder: Path) -> None:
    """The run is over: nothing goes on from here."""
    for name in (CHECKPOINT, PROGRESS):
        (folder / name).unlink(missing_ok=True)
