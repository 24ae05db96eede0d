"""``detabed ledger verify``: the books of a run, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.commands.options import JsonOption
from experiments.commands.output import err, out, print_json, say
from experiments.commands.waiting import waiting
from experiments.run_folder.verify import State, verify_run

NOT_WHOLE = 3
"""Exit code for books that are incomplete, empty or cut short, and in which nothing else is wrong."""


def ledger_verify(
    run: Annotated[
        Path, typer.Argument(help="A run folder, a compare folder, or a file of `ledger export`.")
    ],
    authority: Annotated[
        str | None,
        typer.Option(
            help="Fingerprint of the authority that must have signed the file, known from elsewhere."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    with waiting("checking the books"):
        verdict = verify_run(run, authority=authority)
    if as_json:
        print_json(verdict)
    else:
        for finding in verdict["findings"]:
            say("finding", finding)
        for lack in verdict["incomplete"]:
            err.print("[yellow]incomplete[/yellow]", end=" ")
            err.print(lack, markup=False, highlight=False, soft_wrap=True)
        colour = {State.SOUND: "green", State.NOT_SOUND: "red"}.get(State(verdict["state"]), "yellow")
        out.print(
            f"{run}: [{colour}]{verdict['state']}[/{colour}]; {verdict['transactions']} transactions, "
            f"{verdict['postings']} postings checked"
        )
        for path, told in verdict["heads"].items():
            against = _against(told)
            out.print(
                f"{path}: {told['entries']} entries, head {told['head']} ({against})",
                highlight=False,
                soft_wrap=True,
            )
    if verdict["state"] == State.NOT_SOUND:
        raise typer.Exit(1)
    if not verdict["ok"]:
        raise typer.Exit(NOT_WHOLE)


def _against(told: dict[str, Any]) -> str:
    """What the head was compared with."""
    if "signed_by" not in told:
        return "as anchored in metadata.json" if told["anchored"] else "no anchor to compare it with"
    if told["authority_given"]:
        return f"signed by the authority {told['signed_by']}"
    return f"signed by the authority {told['signed_by']}: compare it with what you were told, or give --authority"
