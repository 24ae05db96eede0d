"""``detabed export``: the program that a policy solves, for other solvers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import JsonOption, PolicyOption, ScenarioArgument
from experiments.commands.output import print_facts, print_json
from experiments.commands.waiting import waiting
from experiments.resolve.prepare import open_scenario
from experiments.runs.export import check_file, export_program


def export(
    scenario: ScenarioArgument,
    file: Annotated[Path, typer.Argument(help="File to write, ending in .lp or .mps; must not exist yet.")],
    policy: PolicyOption = None,
    slot: Annotated[
        int,
        typer.Option(min=0, help="Slot before which it is solved; those before are rolled without learning."),
    ] = 0,
    solve: Annotated[bool, typer.Option("--solve", help="Solve it too, and show the optimum.")] = False,
    as_json: JsonOption = False,
) -> None:
    check_file(file)
    spec = open_scenario(scenario, policy=policy)
    with waiting("writing the program"):
        written = export_program(spec, file, slot, solve)
    if as_json:
        print_json(written.as_dict())
        return
    shown = {key: "not solved" if value is None else str(value) for key, value in written.as_dict().items()}
    print_facts(None, shown)
