"""``detabed cluster down``: the daemons of boards are stopped, each by its unit or the record of its process."""

from __future__ import annotations

from pathlib import Path

from experiments.cluster.boards import ask_all, chosen
from experiments.cluster.inventory import read_inventory
from experiments.commands.cluster_status import daemons, show
from experiments.commands.options import BoardsArgument, InventoryOption, JsonOption
from experiments.commands.waiting import waiting
from experiments.errors import RunError


def cluster_down(
    names: BoardsArgument = None,
    inventory: InventoryOption = Path("boards.toml"),
    as_json: JsonOption = False,
) -> None:
    boards = chosen(read_inventory(inventory), names or [])
    with waiting("stopping the daemons"):
        answers = ask_all(boards, "stop")
    show(boards, daemons(answers), as_json)
    if answers.failed:
        raise RunError("; ".join(answers.failed.values()))
