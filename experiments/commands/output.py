"""Output of commands: tables for people, one JSON object for scripts, and sentences on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

out = Console()
err = Console(stderr=True)


def print_facts(
    title: str | None, facts: Mapping[str, str], what: str = "what", value: str = "value"
) -> None:
    """Two columns for people."""
    table = Table(what, value, title=title)
    for key, text in facts.items():
        table.add_row(escape(key), escape(text))
    out.print(table)


def print_json(value: Any) -> None:
    """One JSON object, nothing else, on standard output. NaN cannot be written."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, default=str) + "\n")


def say(word: str, sentence: object) -> None:
    """A sentence on standard error, after ``word`` in red."""
    err.print(f"[bold red]{word}[/bold red]", end=" ")
    err.print(str(sentence), markup=False, highlight=False, soft_wrap=True)
