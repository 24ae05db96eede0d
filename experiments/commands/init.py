"""``detabed init``: a commented starter scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import JsonOption
from experiments.commands.output import out, print_json
from experiments.errors import UsageError
from experiments.scenario.packaged import starter_command, starter_text


def init(
    path: Annotated[Path, typer.Argument(help="File to write; must not exist yet.")],
    as_json: JsonOption = False,
) -> None:
    try:
        if path.exists():
            raise UsageError(f"{path} exists already; give another name, or remove it first")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(starter_text(path), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error}; give another name") from None
    following = starter_command(str(path))
    if as_json:
        print_json({"scenario": str(path), "next": following})
    else:
        out.print(f"wrote {path}; next: {following}", soft_wrap=True)
