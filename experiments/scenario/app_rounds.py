"""Rounds of a Flower project, and batches of a round, where it says so. Read without Flower, which takes seconds to
import."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROUNDS = "num-server-rounds"
"""Its key in the project's run configuration."""


def rounds_of(folder: Path | None, run_config: Mapping[str, Any]) -> int | None:
    """As ``run_config`` has it, else as the project in ``folder``; None where neither says a whole number."""
    found = run_config.get(ROUNDS)
    if found is None and folder is not None:
        found = _value(folder, "flwr", "app", "config", ROUNDS)
    return found if _is_count(found) else None


def batches_of(folder: Path | None) -> int | None:
    """Batches of a round of a divisible app, ``[tool.detabed.app] batches`` of its project; None: it is opaque.

    Raises ValueError for anything but a whole number of 1 or more."""
    found = None if folder is None else _value(folder, "detabed", "app", "batches")
    if found is not None and not _is_count(found):
        raise ValueError(
            f"batches of [tool.detabed.app] is {found!r}; allowed is a whole number of 1 or more"
        )
    return None if found is None else int(found)


def slots_of_a_round(folder: Path | None, deadline_slots: int) -> int:
    """An opaque app's round may be run in any of these slots; a divisible app's is one, and batches that wait belong to
    a later round."""
    try:
        return deadline_slots + 1 if batches_of(folder) is None else 1
    except ValueError:
        return deadline_slots + 1  # said where the project is resolved


def _value(folder: Path, *keys: str) -> Any:
    """Below ``[tool]`` of the project; None where it lacks."""
    try:
        found: Any = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
        for key in keys:
            found = found[key]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # what is wrong with a project is said where it is resolved
    return found


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
