"""``detabed run``: one scenario under one policy."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands.finished import failures_in_json, show
from experiments.commands.options import (
    FleetOption,
    JsonOption,
    OutputOption,
    PolicyOption,
    ReportOption,
    ScenarioArgument,
)
from experiments.commands.output import err
from experiments.resolve.prepare import open_scenario
from experiments.runs.beside import Beside
from experiments.runs.start import isolate, new_folder


def run(
    scenario: ScenarioArgument,
    policy: PolicyOption = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**31 - 1, help="Seed instead of the scenario's.")
    ] = None,
    output: OutputOption = None,
    fleet: FleetOption = None,
    report: ReportOption = True,
    serve_for: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="Keep the last application slot open so long for `detabed infer` (fleet ray; Ctrl-C ends it).",
        ),
    ] = 0.0,
    as_json: JsonOption = False,
) -> None:
    spec = open_scenario(scenario, policy=policy, seed=seed, fleet=fleet)
    folder = new_folder(output, f"{spec.name}-{spec.policy.replace(':', '.')}-s{spec.seed}")
    isolate(spec)
    with Beside() as beside, failures_in_json(folder, as_json):
        beside.start(spec, draw=report)
        # After isolate(): a network namespace can be entered only while no thread runs, and pandas and torch start
        # threads when imported.
        from experiments.runs.compare import run_single

        result = run_single(
            spec,
            folder,
            err,
            quiet=as_json and not err.is_terminal,
            draw=report,
            serve_s=serve_for,
            beside=beside,
        )
    show(result, as_json)
