"""``detabed simulate``: long runs without learning, on a virtual fleet."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands.finished import failures_in_json, show
from experiments.commands.options import (
    JsonOption,
    OutputOption,
    PolicyOption,
    ReportOption,
    ScenarioArgument,
)
from experiments.commands.output import err
from experiments.resolve.prepare import open_scenario
from experiments.runs.start import new_folder


def simulate(
    scenario: ScenarioArgument,
    days: Annotated[int, typer.Option(min=1, help="Days of the traces, from time.start on.")] = 365,
    policy: PolicyOption = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**31 - 1, help="Seed instead of the scenario's.")
    ] = None,
    output: OutputOption = None,
    report: ReportOption = True,
    as_json: JsonOption = False,
) -> None:
    spec = open_scenario(scenario, policy=policy, seed=seed)
    folder = new_folder(output, f"{spec.name}-{spec.policy.replace(':', '.')}-{days}d")
    # It brings pandas and matplotlib: bad input is refused without.
    from experiments.runs import simulate as simulation

    with failures_in_json(folder, as_json):
        result = simulation.simulate(
            spec, days, folder, err, quiet=as_json and not err.is_terminal, draw=report
        )
    show(result, as_json)
