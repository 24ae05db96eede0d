"""``detabed compare``: several policies on identical seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from coordinator.policies import COMPARED
from experiments.commands.completion import scenarios, several
from experiments.commands.finished import failures_in_json, show
from experiments.commands.options import (
    BaselineOption,
    FleetOption,
    FocusOption,
    JsonOption,
    OutputOption,
    ReportOption,
)
from experiments.commands.output import err
from experiments.commands.resume import resume as go_on
from experiments.errors import UsageError
from experiments.resolve.prepare import open_scenario
from experiments.run_folder.about import About
from experiments.runs.beside import Beside
from experiments.runs.start import isolate, new_folder, parse_policies

SEEDS = 5
"""Where none are asked for."""


def compare(
    scenario: Annotated[
        str | None,
        typer.Argument(
            help="A scenario file (TOML), or a packaged one's name (`detabed list scenarios`); none with --resume.",
            autocompletion=scenarios,
        ),
    ] = None,
    policies: Annotated[
        str | None,
        typer.Option(
            help=f"Comma-separated policies; none: {','.join(COMPARED)}.", autocompletion=several("policies")
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Number of paired seeds, from the scenario's on; none: 5."),
    ] = None,
    output: OutputOption = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Go on with the comparison in this folder, as `detabed resume` does."
        ),
    ] = None,
    fleet: FleetOption = None,
    report: ReportOption = True,
    focus: FocusOption = None,
    baseline: BaselineOption = None,
    as_json: JsonOption = False,
) -> None:
    if resume is not None:
        if (scenario, policies, seeds, output, fleet, focus, baseline) != (None,) * 7:
            raise UsageError(
                f"--resume {resume}: its folder knows the comparison; leave scenario, --policies, --seeds, --output, "
                "--fleet, --focus and --baseline out"
            )
        go_on(resume, report, as_json)
        return
    if scenario is None:
        raise UsageError("no scenario; give a TOML file or a packaged one's name, or --resume FOLDER")
    spec = open_scenario(scenario, fleet=fleet)
    names = COMPARED if policies is None else parse_policies(policies)
    about = About(focus, baseline)
    about.check(names)
    folder = new_folder(output, f"{spec.name}-compare")
    isolate(spec)
    with Beside() as beside, failures_in_json(folder, as_json):
        beside.start(spec, draw=report)
        # After isolate(): a network namespace can be entered only while no thread runs, and pandas and torch start
        # threads when imported.
        from experiments.runs.compare import run_compare

        result = run_compare(
            spec,
            names,
            seeds or SEEDS,
            folder,
            err,
            quiet=as_json and not err.is_terminal,
            draw=report,
            about=about,
            beside=beside,
        )
    show(result, as_json)
