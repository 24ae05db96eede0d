"""``detabed infer``: requests to a serving node from outside."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from edge_node.serving.client import InferError, run_infer_client
from experiments.commands.options import JsonOption
from experiments.commands.output import err, print_facts, print_json
from experiments.commands.waiting import waiting
from experiments.errors import RunError, UsageError
from experiments.runs.outside import find_target
from experiments.runs.start import RUNS
from protos.access.config import Access


def infer(
    target: Annotated[
        str,
        typer.Argument(
            help="Folder of a run that lasts, a node of the newest such run in runs/, or host:port "
            "(a daemon prints it as infer_address)."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(help="Data set whose test examples are asked about; default: the run's, else digits."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Examples to ask about.")] = 100,
    batch: Annotated[int, typer.Option(min=1, help="Examples per request.")] = 1,
    node: Annotated[str, typer.Option(help="Node to ask, where several share the server.")] = "",
    access: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a certificate, or file with a run's secret; a run of this machine that lasts lends its own."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    found = find_target(target, node, RUNS)
    shown = found.access if access is None else _given(access)

    def answers(node_id: str) -> dict[str, Any]:
        wanted = data or found.data or "digits"
        with waiting("asking the node"):
            return run_infer_client(
                found.address, data=wanted, count=count, batch=batch, node_id=node_id, access=shown
            )

    try:
        try:
            answered = answers(found.node_id)
        except InferError as error:
            if not error.nodes:
                raise
            answered = answers(_which(found.address, error.nodes))
    except InferError as error:
        shows_nothing = shown == Access() and error.code in ("UNAVAILABLE", "UNAUTHENTICATED")
        hint = "; where the node asks who calls, --access gives a certificate or the run's secret"
        raise RunError(f"{error}{hint if shows_nothing else ''}") from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    if as_json:
        print_json(answered)
        return
    facts = {
        key: "not measured" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
        for key, value in answered.items()
    }
    print_facts(f"{answered['node_id']} at {found.address}", facts)


def _given(path: Path) -> Access:
    if path.is_dir():
        return Access(certificates=path)
    if path.is_file():
        return Access(secret_file=path)
    raise UsageError(
        f"--access {path}: no such folder or file; give a folder of a certificate, or a file with a secret"
    )


def _which(address: str, nodes: tuple[str, ...]) -> str:
    """One of several nodes at an address: the user chooses on a terminal; elsewhere it is the first, and a line says
    so."""
    if sys.stdin.isatty() and err.is_terminal:
        return str(typer.prompt(f"{address} has {', '.join(nodes)}; which", default=nodes[0], err=True))
    err.print(
        f"{address} has {', '.join(nodes)}; asking {nodes[0]}: --node chooses", markup=False, soft_wrap=True
    )
    return nodes[0]
