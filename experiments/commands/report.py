"""``detabed report``: the report of a finished run or comparison."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands.options import (
    BaselineOption,
    FocusOption,
    JsonOption,
    RunArgument,
    require_run_folder,
)
from experiments.commands.output import out, print_json
from experiments.commands.waiting import waiting
from experiments.report.focus import with_focus
from experiments.report.html import write_study
from experiments.report.paper import write_paper
from experiments.report.read import load
from experiments.run_folder.about import About


def report(
    run: RunArgument,
    paper: Annotated[
        bool,
        typer.Option(
            "--paper", help="Also paper/: tables as LaTeX, figures as PDF in a journal's type and width."
        ),
    ] = False,
    focus: FocusOption = None,
    baseline: BaselineOption = None,
    as_json: JsonOption = False,
) -> None:
    require_run_folder(run)
    with waiting("writing the report"):
        study = with_focus(load(run), About(focus, baseline))
        told = {"report": write_study(study)} | ({"paper": write_paper(study)} if paper else {})
    if as_json:
        print_json({name: str(path) for name, path in told.items()})
        return
    for name, path in told.items():
        out.print(f"{name}: {path}", soft_wrap=True)
