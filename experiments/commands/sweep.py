"""``detabed sweep``: a scenario at many values of its keys, one table and one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.commands.completion import scenarios, several
from experiments.commands.finished import failures_in_json
from experiments.commands.options import FleetOption, JsonOption, ReportOption
from experiments.commands.output import err, out, print_json, say
from experiments.errors import UsageError
from experiments.resolve.prepare import open_scenario
from experiments.runs.start import parse_policies
from experiments.sweep.axes import parse_axes
from experiments.sweep.files import FAILURES
from experiments.sweep.plan import make_plan

if TYPE_CHECKING:
    from experiments.sweep.start import Start

SHOWN_FAILURES = 20
"""On standard error; the file has all."""


def sweep(
    scenario: Annotated[
        str | None,
        typer.Argument(
            help="A scenario file (TOML), or the name of a packaged one; none with --resume.",
            autocompletion=scenarios,
        ),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUES",
            help="An axis: a key of the scenario and a list (a,b,c) or LOW:HIGH:STEP; may be given several "
            "times. Without a number nodes.KEY is set in all [[nodes]], nodes.0.KEY in the first.",
        ),
    ] = None,
    policies: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated policies; none: the scenario's.", autocompletion=several("policies")
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=1000, help="Number of paired seeds, from the scenario's on.")
    ] = 1,
    random: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Draw N cells (Latin hypercube), no grid; LOW:HIGH is an interval.",
        ),
    ] = None,
    design_seed: Annotated[int, typer.Option(min=0, help="Seed of the cells that --random draws.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Processes that compute; none: one for each core.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Compute on the Ray cluster whose head is at HOST:PORT (auto: RAY_ADDRESS, or this machine's), "
            "not on this machine's cores.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder of the sweep; the same command goes on in it.",
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Go on with the sweep in this folder, which knows its plan."),
    ] = None,
    fleet: FleetOption = None,
    report: ReportOption = True,
    as_json: JsonOption = False,
) -> None:
    if resume is not None:
        if scenario is not None or sets or policies is not None or random is not None or output is not None:
            raise UsageError(
                f"--resume {resume}: its folder has the plan; leave scenario, --set and the like out"
            )
        go_on(resume, report, as_json, workers, ray)
        return
    if scenario is None:
        raise UsageError("no scenario; give a TOML file or a packaged one's name, or --resume FOLDER")
    spec = open_scenario(scenario, fleet=fleet)
    names = None if policies is None else parse_policies(policies)
    axes = parse_axes(sets or [], random is not None)
    plan = make_plan(spec, axes, names, seeds, random, design_seed)
    # It brings pandas: bad options are refused without.
    from experiments.sweep.start import begin

    _finish(begin(plan, output), report, as_json, workers, ray)


def go_on(
    folder: Path, report: bool, as_json: bool, workers: int | None = None, ray: str | None = None
) -> None:
    """The sweep in ``folder``."""
    # It brings pandas.
    from experiments.sweep.start import go_on as started

    _finish(started(folder), report, as_json, workers, ray)


def _finish(start: Start, report: bool, as_json: bool, workers: int | None, ray: str | None) -> None:
    """Run what is missing of a sweep, and say what came out; exit code 1 where a run failed."""
    # They bring pandas.
    from experiments.sweep.start import execute
    from experiments.sweep.summary import as_dict, print_summary

    with failures_in_json(start.folder, as_json):
        swept = execute(start, err, workers, quiet=as_json and not err.is_terminal, draw=report, ray=ray)
    if as_json:
        print_json(as_dict(swept))
    else:
        print_summary(swept, out)
    for name, why in list(swept.failed.items())[:SHOWN_FAILURES]:
        say("failed:", f"{name}: {why}")
    if swept.failed:
        say("failed:", f"{len(swept.failed)} of {swept.plan.runs} runs, listed in {swept.folder / FAILURES}")
        raise typer.Exit(1)
