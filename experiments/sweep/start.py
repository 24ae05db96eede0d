"""A sweep begins, or goes on where it was interrupted; who computes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.errors import UsageError
from experiments.fleet.machine import cpu_count
from experiments.runs.start import new_folder
from experiments.sweep.files import PAGE, PLAN
from experiments.sweep.plan import Plan, as_dict, read_plan
from experiments.sweep.sweep import Swept, run_sweep
from experiments.sweep.work.jobs import Workers
from experiments.sweep.work.local import LocalWorkers


@dataclass(frozen=True)
class Start:
    """A plan and its folder. ``resumed``: the folder has this plan already."""

    plan: Plan
    folder: Path
    resumed: bool


def begin(plan: Plan, output: Path | None) -> Start:
    """Where ``plan`` is run; in a folder that has the same plan it goes on. Raises UsageError."""
    if output is None or not (output / PLAN).is_file():
        return Start(plan, new_folder(output, f"{plan.name}-sweep"), False)
    there, ours = _told(output / PLAN), as_dict(plan)
    if there != json.loads(json.dumps(ours)):
        different = sorted(key for key in ours if there.get(key) != json.loads(json.dumps(ours[key])))
        raise UsageError(
            f"{output} has a sweep with other {', '.join(different)}; give another --output, or `detabed sweep "
            f"--resume {output}` to go on with that one"
        )
    return Start(plan, output, True)


def _told(path: Path) -> dict[str, Any]:
    """A sweep's plan as its file has it. Raises UsageError."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(told, dict):
            raise ValueError("no object")
    except ValueError as error:
        raise UsageError(f"{path} is damaged ({error}); sweep again in another folder") from None
    return told


def go_on(folder: Path) -> Start:
    """The sweep in ``folder``. Raises UsageError where there is none."""
    if not folder.is_dir():
        what = "a file, not a folder" if folder.exists() else "no such folder"
        raise UsageError(f"{folder}: {what}; give the one that `detabed sweep` printed")
    return Start(read_plan(folder), folder, True)


def execute(
    start: Start, console: Console, workers: int | None, *, quiet: bool, draw: bool, ray: str | None = None
) -> Swept:
    """Run what is missing, and draw the page.

    ``workers``: None for one on each core. ``ray``: address of the Ray cluster that computes; None: this machine does.
    """
    swept = run_sweep(
        start.plan,
        start.folder,
        _workers(start, console, workers, ray),
        console,
        quiet=quiet,
        resumed=start.resumed,
    )
    if draw:
        # It brings matplotlib: --no-report does without.
        from experiments.sweep.page import write_page

        write_page(swept)
    else:
        (start.folder / PAGE).unlink(missing_ok=True)  # that of an earlier call may tell less
    return swept


def _workers(start: Start, console: Console, count: int | None, ray: str | None) -> Workers:
    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    if ray is None:
        return LocalWorkers(count or cpu_count(), start.folder, say)
    # Ray takes seconds to import.
    from experiments.sweep.work.cluster import RayWorkers

    insecure = start.plan.scenario(0, start.plan.policies[0]).coordinator.insecure
    return RayWorkers(ray, count, insecure, say)
