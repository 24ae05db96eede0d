"""``detabed ledger verify``: the books of a run, checked."""

from __future__ import annotations

import typer

from experiments.commands.options import JsonOption, RunArgument
from experiments.commands.output import err, out, print_json, say
from experiments.run_folder.verify import State, verify_run

NOT_WHOLE = 3
"""Exit code for books that are incomplete, empty or cut short, and in which nothing else is wrong."""


def ledger_verify(run: RunArgument, as_json: JsonOption = False) -> None:
    verdict = verify_run(run)
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
            against = "as anchored in metadata.json" if told["anchored"] else "no anchor to compare it with"
            out.print(
                f"{path}: {told['entries']} entries, head {told['head']} ({against})",
                highlight=False,
                soft_wrap=True,
            )
    if verdict["state"] == State.NOT_SOUND:
        raise typer.Exit(1)
    if not verdict["ok"]:
        raise typer.Exit(NOT_WHOLE)
