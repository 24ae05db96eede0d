"""Common command line of the benchmarks: --quick, --json, and output of figures and goals."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console


def parser(description: str | None, quick: str) -> argparse.ArgumentParser:
    """Parser with ``--quick`` (``quick`` says what it leaves out) and ``--json``; ``description``: the module's."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help=quick)
    made.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return made


def measuring(run: Callable[[Callable[[str], None]], Any]) -> Any:
    """``run(say)`` with a spinner on standard error; ``say`` changes its text, or prints it to a file."""
    err = Console(stderr=True)
    with err.status("measuring") as status:
        return run(lambda text: status.update(text) if err.is_terminal else err.print(text))


def against(goals: Mapping[str, float], values: Mapping[str, Any], op: str) -> dict[str, dict[str, Any]]:
    """Values next to their goals; ``op``: ``>=`` or ``<=``."""
    return {
        name: {
            "op": op,
            "goal": goal,
            "value": values[name],
            "met": values[name] >= goal if op == ">=" else values[name] <= goal,
        }
        for name, goal in goals.items()
    }


def show(found: dict[str, Any], as_json: bool) -> None:
    """Print ``figures`` and ``goals``, or all of it as JSON. A missed goal is printed and is not an error."""
    if as_json:
        sys.stdout.write(json.dumps(found, indent=1, allow_nan=False) + "\n")
        return
    out = Console()
    for name, value in found["figures"].items():
        out.print(f"{name:36} {value:.5g}" if isinstance(value, float | int) else f"{name:36} {value}")
    show_goals(found, out)


def show_goals(found: dict[str, Any], out: Console) -> None:
    """Figures next to their goals."""
    for name, goal in found["goals"].items():
        if goal["value"] is None:
            out.print(f"{name:36} {goal['why']}")
            continue
        verdict = "met" if goal["met"] else "NOT met"
        out.print(f"{name:36} {goal['value']:.4g} {goal['op']} {goal['goal']:g}: {verdict}")
