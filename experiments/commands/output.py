"""Output of commands: tables for people, one JSON object for scripts, and sentences on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

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


_kept: list[TextIO] = []
"""Standard output of commands that print JSON."""


@contextmanager
def json_alone() -> Iterator[None]:
    """Within, what anybody else prints (a user's app, model or policy) goes to standard error: standard output has the
    JSON object alone."""
    _kept.append(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _kept.pop()


def print_json(value: Any) -> None:
    """One JSON object, nothing else, on standard output. NaN cannot be written."""
    stream = _kept[-1] if _kept else sys.stdout
    stream.write(json.dumps(value, indent=2, allow_nan=False, default=str) + "\n")


def say(word: str, sentence: object) -> None:
    """A sentence on standard error, after ``word`` in red."""
    err.print(f"[bold red]{word}[/bold red]", end=" ")
    err.print(str(sentence), markup=False, highlight=False, soft_wrap=True)
