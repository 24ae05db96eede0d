"""``detabed check``: a scenario validated and resolved."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands.options import JsonOption, ScenarioArgument
from experiments.commands.output import print_facts, print_json, say
from experiments.commands.waiting import waiting
from experiments.resolve.connect import connect
from experiments.resolve.prepare import describe, open_scenario
from experiments.resolve.resolve import resolve_single


def check(
    scenario: ScenarioArgument,
    as_json: JsonOption = False,
    ask: Annotated[
        bool,
        typer.Option("--connect", help="Ask every live service of the scenario once, and show its answer."),
    ] = False,
) -> None:
    spec = open_scenario(scenario)
    with waiting() as watch:
        resolved = resolve_single(spec, watch)
    for warning in resolved.warnings:
        say("warning:", warning)
    with waiting("asking the live services"):
        answers = connect(resolved) if ask else []
    if as_json:
        told = [{"signal": one.signal, "ok": one.ok, "said": one.said} for one in answers]
        print_json({**resolved.summary(), **({"connected": told} if ask else {})})
    else:
        print_facts(resolved.scenario.name, describe(resolved))
        if ask:
            print_facts("live services", {one.signal: one.said for one in answers}, "signal", "answer")
    if not all(one.ok for one in answers):
        raise typer.Exit(1)
