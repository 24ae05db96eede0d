"""``detabed infer``: requests to a serving node from outside."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from edge_node.serving.client import InferError, run_infer_client
from experiments.commands.options import JsonOption
from experiments.commands.output import err, print_facts, print_json
from experiments.errors import RunError, UsageError
from experiments.runs.outside import find_target
from experiments.runs.start import RUNS


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
    as_json: JsonOption = False,
) -> None:
    found = find_target(target, node, RUNS)

    def answers(node_id: str) -> dict[str, Any]:
        wanted = data or found.data or "digits"
        return run_infer_client(found.address, data=wanted, count=count, batch=batch, node_id=node_id)

    try:
        try:
            answered = answers(found.node_id)
        except InferError as error:
            if not error.nodes:
                raise
            answered = answers(_which(found.address, error.nodes))
    except InferError as error:
        raise RunError(str(error)) from error
    except ValueError as error:
        raise UsageError(str(error)) from error
    if as_json:
        print_json(answered)
        return
    shown = {
        key: "not measured" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
        for key, value in answered.items()
    }
    print_facts(f"{answered['node_id']} at {found.address}", shown)


def _which(address: str, nodes: tuple[str, ...]) -> str:
    """One of several nodes at an address: the user chooses on a terminal; elsewhere it is the first, and a line says
    so."""
    if sys.stdin.isatty() and err.is_terminal:
        return str(typer.prompt(f"{address} has {', '.join(nodes)}; which", default=nodes[0], err=True))
    err.print(
        f"{address} has {', '.join(nodes)}; asking {nodes[0]}: --node chooses", markup=False, soft_wrap=True
    )
    return nodes[0]
