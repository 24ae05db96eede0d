"""Rounds of a Flower project, where it says so as `flwr new` writes it. Read without Flower, which takes seconds to
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
        try:
            project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
            found = project["tool"]["flwr"]["app"]["config"][ROUNDS]
        except (OSError, ValueError, KeyError, TypeError):
            return None  # what is wrong with a project is said where it is resolved
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None
