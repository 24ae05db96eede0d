"""``detabed cluster revoke``: a board's certificate counts no more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.cluster.cluster import Cluster
from experiments.cluster.inventory import read_inventory
from experiments.commands.options import InventoryOption, JsonOption
from experiments.commands.output import out, print_json


def cluster_revoke(
    node: Annotated[str, typer.Argument(help="Board of the inventory.")],
    inventory: InventoryOption = Path("boards.toml"),
    as_json: JsonOption = False,
) -> None:
    read_inventory(inventory).board(node)
    Cluster.open(inventory).revoke(node)
    if as_json:
        print_json({"revoked": node})
    else:
        out.print(f"{node} is revoked: the coordinator refuses it from now on", markup=False)
