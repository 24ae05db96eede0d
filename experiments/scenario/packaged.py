"""Scenarios that ship with the package, and the one to start from."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

_PACKAGE = "experiments.scenarios"


def packaged_scenarios() -> dict[str, str]:
    """Name of every packaged scenario and its claim (the comment in its first line)."""
    found = {}
    for entry in sorted(resources.files(_PACKAGE).iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            first = entry.read_text(encoding="utf-8").splitlines()[0]
            found[entry.name.removesuffix(".toml")] = first.removeprefix("# Claim:").strip()
    return found


def packaged_scenario_text(name: str) -> str:
    """Text of a packaged scenario."""
    return (resources.files(_PACKAGE) / f"{name}.toml").read_text(encoding="utf-8")


def starter_command(file: str) -> str:
    """The command that a scenario to begin with names for ``file``."""
    return f"detabed compare {file} --policies local,det,dat,deta --seeds 2"


def starter_text(path: Path) -> str:
    """Text of a scenario to begin with: the packaged demo, named after the file."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-")[:64] or "scenario"
    lines = packaged_scenario_text("demo").splitlines()
    command = f"# Command: {starter_command(path.name)}"
    kept = [line for line in lines if not line.startswith(("# Claim:", "# Cost:"))]
    replaced = [
        command if line.startswith("# Command:") else f'name = "{name}"' if line == 'name = "demo"' else line
        for line in kept
    ]
    return "\n".join(replaced) + "\n"
