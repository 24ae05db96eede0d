"""``detabed check``: a scenario validated and resolved."""

from __future__ import annotations

from experiments.commands.options import JsonOption, ScenarioArgument
from experiments.commands.output import print_facts, print_json, say
from experiments.resolve.prepare import describe, open_scenario
from experiments.resolve.resolve import resolve


def check(scenario: ScenarioArgument, as_json: JsonOption = False) -> None:
    resolved = resolve(open_scenario(scenario))
    for warning in resolved.warnings:
        say("warning:", warning)
    if as_json:
        print_json(resolved.summary())
        return
    print_facts(resolved.scenario.name, describe(resolved))
