"""``detabed ledger verify``: the books of a run, checked."""

from __future__ import annotations

import typer

from experiments.commands.options import JsonOption, RunArgument
from experiments.commands.output import err, out, print_json
from experiments.run_folder.verify import verify_run


def ledger_verify(run: RunArgument, as_json: JsonOption = False) -> None:
    verdict = verify_run(run)
    if as_json:
        print_json(verdict)
    else:
        for finding in verdict["findings"]:
            err.print(f"[red]finding[/red] {finding}")
        for lack in verdict["incomplete"]:
            err.print("[yellow]incomplete[/yellow]", end=" ")
            err.print(lack, markup=False, highlight=False, soft_wrap=True)
        word = (
            "[red]not sound[/red]"
            if verdict["findings"]
            else "[yellow]incomplete[/yellow]"
            if verdict["incomplete"]
            else "[green]sound[/green]"
        )
        out.print(
            f"{run}: {word}; {verdict['transactions']} transactions, {verdict['postings']} postings checked"
        )
    if not verdict["ok"]:
        raise typer.Exit(1)
