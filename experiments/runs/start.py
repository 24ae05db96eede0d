"""Before a run starts: its policies, its folder, its network namespace. Imports nothing that starts threads."""

from __future__ import annotations

import tempfile
from pathlib import Path

from experiments.errors import UsageError
from experiments.fleet.isolation import IsolationError, ensure_isolated
from experiments.fleet.processes import uses_ray
from experiments.resolve.prepare import known_policy
from experiments.scenario.model import Scenario

RUNS = Path("runs")
"""Folder of the runs that are given no folder of their own."""


def parse_policies(text: str) -> tuple[str, ...]:
    """Comma-separated policies, each known. Raises UsageError."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise UsageError("--policies is empty; give e.g. --policies local,det,dat,deta")
    return tuple(known_policy(name) for name in names)


def new_folder(wanted: Path | None, name: str) -> Path:
    """Where a run will be written: the folder asked for (new, or empty), or a numbered new one under runs/.

    Nothing is made yet. Raises UsageError where it could not be.
    """
    folder = wanted
    number = 1
    while folder is None or (wanted is None and folder.exists()):
        folder, number = RUNS / f"{name}-{number:03d}", number + 1
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(
                f"{folder} is there already and no empty folder; give another --output, or remove it first"
            )
        parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not parent.is_dir():
            raise UsageError(
                f"{folder}: {parent} is a file, no folder can be made in it; give another --output"
            )
        # Tried rather than asked: root may by its rights, and still not on a file system that takes nothing.
        with tempfile.TemporaryDirectory(prefix=".detabed-", dir=parent):
            pass
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error}; give another --output") from None
    return folder


def isolate(scenario: Scenario) -> None:
    """Bring about the isolation the scenario asks for; first thing, before any thread runs."""
    if not uses_ray(scenario):
        return
    try:
        ensure_isolated(scenario.fleet.isolation)
    except IsolationError as error:
        raise UsageError(str(error)) from error
