"""``detabed policy check``: the conformance suite on one policy, also one out of tree."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from carbon_data.own_code import place_of_object
from coordinator.policies import conformance
from coordinator.policies.registry import PolicyError, docstring, make_policy, resolve
from experiments.commands.options import JsonOption
from experiments.commands.output import out, print_json
from experiments.commands.waiting import waiting
from experiments.errors import UsageError


def check_policy(name: str, options: Sequence[str] = ()) -> list[str]:
    """What the policy breaks, in words, each check once with the cases it fails on; empty when it keeps every rule.

    ``options``: ``key=value`` as in a scenario's ``policy_options``. Raises UsageError when it cannot be had."""
    settings = parse_options(options)
    try:
        make_policy(name, **settings)
    except PolicyError as error:
        raise UsageError(
            f"{error}; give them as --option key=value" if "argument" in str(error) else str(error)
        ) from error
    violations = conformance.check_policy(lambda: make_policy(name, **settings))
    by_check: dict[str, list[str]] = {}
    for violation in violations:
        by_check.setdefault(violation.check.name, []).append(str(violation))
    return [
        f"{said[0]}" + (f"; and {len(said) - 1} more times" if len(said) > 1 else "")
        for said in by_check.values()
    ]


def notes_on(name: str) -> list[str]:
    """What breaks no rule and is missed in reports."""
    if docstring(name) or ":" not in name:
        return []
    return [
        f"{place_of_object(resolve(name))}: {name.partition(':')[2]} has no docstring; write one sentence on its rule, "
        "the report of a comparison begins with it"
    ]


def parse_options(texts: Sequence[str]) -> dict[str, Any]:
    """``key=value`` with the value as TOML has it, or else as text. Raises UsageError."""
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (equals and key.strip().isidentifier()):
            raise UsageError(f"--option {text!r}: write key=value, e.g. --option horizon=6")
        try:
            found[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key.strip()] = value.strip()
    return found


def policy_check(
    policy: Annotated[str, typer.Argument(help="A registered name, or package.module:Name.")],
    option: Annotated[
        list[str] | None, typer.Option(help="An option of the policy as key=value; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    with waiting("checking the policy"):
        violations = check_policy(policy, option or ())
    notes = notes_on(policy)
    if as_json:
        print_json({"policy": policy, "ok": not violations, "violations": violations, "notes": notes})
    elif violations:
        for violation in violations:
            out.print("[red]breaks[/red]", end=" ")
            out.print(violation, markup=False, highlight=False, soft_wrap=True)
    else:
        out.print(f"{policy}: [green]keeps every rule[/green]")
    for note in () if as_json else notes:
        out.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    if violations:
        raise typer.Exit(1)
