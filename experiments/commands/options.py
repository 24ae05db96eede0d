"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.completion import names, scenarios
from experiments.commands.output import json_alone
from experiments.run_folder.present import require_folder

ScenarioArgument = Annotated[
    str,
    typer.Argument(
        help="A scenario file (TOML), or the name of a packaged one: see `detabed list scenarios`.",
        autocompletion=scenarios,
    ),
]
PolicyOption = Annotated[
    str | None, typer.Option(help="Policy instead of the scenario's.", autocompletion=names("policies"))
]
FleetOption = Annotated[
    str | None,
    typer.Option(help="ray, inprocess or virtual, instead of the scenario's (which alone names daemons)."),
]
ReportOption = Annotated[
    bool, typer.Option("--report/--no-report", help="Draw the HTML report and its figures.")
]


def _json_alone(context: typer.Context, wanted: bool) -> bool:
    if wanted and not context.resilient_parsing:
        context.with_resource(json_alone())
    return wanted


JsonOption = Annotated[
    bool, typer.Option("--json", callback=_json_alone, help="Print one JSON object to standard output.")
]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder of the run; must not exist yet.")
]
FocusOption = Annotated[
    str | None,
    typer.Option(help="Policy that the report is about; else your own one (package.module:Name), else DETA."),
]
BaselineOption = Annotated[
    str | None,
    typer.Option(help="Policy to state the reductions against, first and beside GRID and LOCAL."),
]
InventoryOption = Annotated[Path, typer.Option(help="Inventory of the cluster.")]
BoardsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Boards of the inventory; none: all.")
]
RunArgument = Annotated[Path, typer.Argument(help="A run folder, or a compare folder.")]


def require_run_folder(run: Path) -> None:
    """Raises UsageError where ``run`` is no folder."""
    require_folder(run)
