"""``detabed reproduce``: a study of a paper, with its claims beside ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.completion import names, several
from experiments.commands.options import JsonOption, OutputOption
from experiments.commands.output import err, out, print_json
from experiments.errors import UsageError
from experiments.fitting_table import FittingTable
from experiments.runs.start import RUNS
from experiments.studies.registry import STUDIES, run_study


def reproduce(
    study: Annotated[
        str, typer.Argument(help="A study: see `detabed list studies`.", autocompletion=names("studies"))
    ],
    full: Annotated[
        bool, typer.Option("--full/--quick", help="All of it, or reduced and scaled where it must.")
    ] = False,
    train: Annotated[
        bool, typer.Option("--train", help="Train what else comes from trainings that ship with the package.")
    ] = False,
    zones: Annotated[
        str | None,
        typer.Option(
            help="Ten or more zones, comma between, instead of the study's own.",
            autocompletion=several("zones"),
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that compute; without it, one a core.")
    ] = None,
    weights: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of another training's weights, judged as well (learned); may be repeated."),
    ] = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    if study not in STUDIES:
        raise UsageError(f"no study is called {study!r}; allowed: {', '.join(STUDIES)}")
    chosen = tuple(zone.strip() for zone in zones.split(",")) if zones else None
    given = {"train": train or None, "zones": chosen, "workers": workers, "weights": weights or None}
    folder = output or RUNS / f"reproduce-{study}-{'full' if full else 'quick'}"
    result = run_study(study, folder, full, err, **{k: v for k, v in given.items() if v is not None})
    if as_json:
        print_json(result)
        return
    # What no paper claims is checked, not reproduced.
    is_own = "checks" in result
    said = ("check", "verdict", "statement", "ours") if is_own else ("claim", "verdict", "paper", "ours")
    table = FittingTable(*said, title=f"{study}, {'full' if full else 'quick'}")
    colours = {"met": "green", "not met": "red"}
    for name, claim in result["checks" if is_own else "claims"].items():
        verdict = str(claim["verdict"])
        table.add_row(
            name,
            f"[{colours.get(verdict, 'yellow')}]{verdict}[/]"
            + (", by construction" if claim.get("by_construction") else ""),
            str(claim.get(said[2], "")),
            str(claim.get("ours", "")),
        )
    out.print(table)
    out.print(f"folder: {result['run']}", soft_wrap=True)
