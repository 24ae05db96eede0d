"""``detabed twin``: a run on boards beside its twin on the virtual clock."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import JsonOption
from experiments.commands.output import out, print_json
from experiments.commands.waiting import waiting
from experiments.twin.twin import FOLDER, WINDOWS, twin_of


def twin(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run whose meters measured something.")],
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH|NODE=PATH",
            help="Profile of all boards, or of one, instead of the scenario's; may be repeated.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write into; default: twin in the run's.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    folder = output or run / FOLDER
    with waiting("pricing the run"):
        found = twin_of(run, profile or ())
        page = found.write(folder)
    if as_json:
        print_json({**found.as_dict(), "page": str(page), "windows": str(folder / WINDOWS)})
        return
    found.print(out)
    out.print(f"page: {page}", soft_wrap=True, highlight=False)
