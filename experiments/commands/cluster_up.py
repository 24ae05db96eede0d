"""``detabed cluster up``: the daemons of all boards are started, or of none."""

from __future__ import annotations

from pathlib import Path

from experiments.cluster.boards import ask_all, chosen, inspect
from experiments.cluster.cluster import Cluster
from experiments.cluster.inventory import read_inventory
from experiments.commands.cluster_status import daemons, show
from experiments.commands.options import BoardsArgument, InventoryOption, JsonOption
from experiments.commands.waiting import waiting
from experiments.errors import RunError


def cluster_up(
    names: BoardsArgument = None,
    inventory: InventoryOption = Path("boards.toml"),
    as_json: JsonOption = False,
) -> None:
    boards = chosen(read_inventory(inventory), names or [])
    Cluster.open(inventory)  # without its authority no daemon is let in
    with waiting("starting the daemons"):
        inspect(boards).require("No daemon was started")
        begun = ask_all(boards, "start")
    found = daemons(begun)
    show(boards, found, as_json)
    ended = [
        f"board {name}: its daemon ended: {row['said'] or 'it said nothing'}"
        for name, row in found.items()
        if row["state"] == "stopped"
    ]
    if failed := [*begun.failed.values(), *ended]:
        raise RunError("; ".join(failed))
