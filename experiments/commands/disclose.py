"""``detabed disclose``: what a finished run discloses, as a page and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import JsonOption
from experiments.commands.output import out, print_json
from experiments.commands.waiting import waiting
from experiments.disclosure.statement import DATA, FOLDER, disclosure_of


def disclose(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder to write into; default: disclosure in the run's."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    folder = output or run / FOLDER
    with waiting("reading the run"):
        found = disclosure_of(run)
        page = found.write(folder)
    if as_json:
        print_json({**found.as_dict(), "page": str(page), "data": str(folder / DATA)})
        return
    found.print(out)
    out.print(f"page: {page}", soft_wrap=True, highlight=False)
