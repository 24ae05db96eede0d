"""``detabed compare``: several policies on identical seeds."""

from __future__ import annotations

from typing import Annotated

import typer

from coordinator.policies import COMPARED
from experiments.commands.completion import several
from experiments.commands.finished import failures_in_json, show
from experiments.commands.options import (
    BaselineOption,
    FleetOption,
    FocusOption,
    JsonOption,
    OutputOption,
    ReportOption,
    ScenarioArgument,
)
from experiments.commands.output import err
from experiments.resolve.prepare import open_scenario
from experiments.run_folder.about import About
from experiments.runs.start import isolate, new_folder, parse_policies


def compare(
    scenario: ScenarioArgument,
    policies: Annotated[
        str, typer.Option(help="Comma-separated policies.", autocompletion=several("policies"))
    ] = ",".join(COMPARED),
    seeds: Annotated[
        int, typer.Option(min=1, max=1000, help="Number of paired seeds, from the scenario's on.")
    ] = 5,
    output: OutputOption = None,
    fleet: FleetOption = None,
    report: ReportOption = True,
    focus: FocusOption = None,
    baseline: BaselineOption = None,
    as_json: JsonOption = False,
) -> None:
    spec = open_scenario(scenario, fleet=fleet)
    names = parse_policies(policies)
    about = About(focus, baseline)
    about.check(names)
    folder = new_folder(output, f"{spec.name}-compare")
    isolate(spec)
    # A network namespace can be entered only while no thread runs, and pandas and torch start threads when imported.
    from experiments.runs.compare import run_compare

    with failures_in_json(folder, as_json):
        result = run_compare(
            spec,
            names,
            seeds,
            folder,
            err,
            quiet=as_json and not err.is_terminal,
            draw=report,
            about=about,
        )
    show(result, as_json)
