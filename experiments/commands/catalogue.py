"""``detabed list``: names that a scenario may use."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands.completion import kinds
from experiments.commands.kinds import CATALOGUE, catalogue
from experiments.commands.options import JsonOption
from experiments.commands.output import print_facts, print_json
from experiments.errors import UsageError


def list_(
    what: Annotated[
        str | None,
        typer.Argument(
            help="policies, sources, live, harvests, meters, tasks, strategies, zones, boards, transports, scenarios "
            "or studies; without it, what there is to list.",
            show_default=False,
            autocompletion=kinds,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    if what is None:
        kinds = {kind: words for kind, (_, words, _) in CATALOGUE.items()}
        print_json({"kinds": kinds}) if as_json else print_facts(None, kinds, "detabed list", "what it lists")
        return
    if what not in CATALOGUE:
        raise UsageError(f"cannot list {what!r}; allowed: {', '.join(sorted(CATALOGUE))}")
    entries = catalogue(what)
    if as_json:
        print_json({what: entries})
        return
    print_facts(None, entries, "name", "what it is")
