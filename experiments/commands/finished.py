"""Output of ``run`` and ``compare`` at their end, also after a failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from carbon_data.machine_faults import machine_fault
from experiments.commands.output import out, print_json, say
from experiments.errors import RunError, describe_failure
from experiments.run_folder.kept import kept

INTERRUPTED = 130
"""Exit code of shells for a program that was interrupted."""


@contextmanager
def failures_in_json(folder: Path, as_json: bool) -> Iterator[None]:
    """With --json a failure is the one object on standard output; the sentence on standard error stays. Interrupted, it
    says what is kept and how to go on."""
    try:
        yield
    except Exception as error:
        if as_json and (isinstance(error, RunError) or machine_fault(error) is not None):
            print_json({"failed": describe_failure(error), "run": str(folder) if folder.exists() else None})
        raise
    except KeyboardInterrupt as interrupt:  # a sweep says by itself what it keeps
        say("interrupted:", str(interrupt) or kept(folder))
        raise typer.Exit(INTERRUPTED) from None


def show(result: Any, as_json: bool) -> None:
    """The figures; exit code 1 where a run of a comparison failed."""
    if as_json:
        print_json(result.as_dict())
    else:
        result.print(out)
    for name, why in result.failed.items():
        say("failed:", f"{name}: {why}")
    if result.failed:
        raise typer.Exit(1)
