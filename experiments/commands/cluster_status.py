"""``detabed cluster status``: which boards' daemons run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from experiments.cluster.boards import Answers, ask_all, chosen
from experiments.cluster.inventory import read_inventory
from experiments.cluster.ssh import Ssh
from experiments.commands.options import BoardsArgument, InventoryOption, JsonOption
from experiments.commands.output import out, print_json
from experiments.commands.waiting import waiting
from experiments.fitting_table import FittingTable


def cluster_status(
    names: BoardsArgument = None,
    inventory: InventoryOption = Path("boards.toml"),
    as_json: JsonOption = False,
) -> None:
    boards = chosen(read_inventory(inventory), names or [])
    with waiting("asking the boards"):
        found = daemons(ask_all(boards, "state"))
    show(boards, found, as_json)
    if any(told["state"] != "running" for told in found.values()):
        raise typer.Exit(1)


def daemons(answers: Answers) -> dict[str, dict[str, Any]]:
    """What became of each board's daemon: ``running``, ``stopped`` or ``unknown``, and what is known of it."""
    found: dict[str, dict[str, Any]] = {}
    for name, told in answers.given.items():
        daemon = told["daemon"]
        found[name] = {**daemon, "state": "running" if daemon["running"] else "stopped"}
    for name, said in answers.failed.items():
        found[name] = {"state": "unknown", "pid": None, "supervisor": None, "said": said}
    return found


def show(boards: Sequence[Ssh], found: Mapping[str, Mapping[str, Any]], as_json: bool) -> None:
    """The boards in the inventory's order."""
    keys = ("state", "pid", "supervisor", "said")
    rows = {ssh.board.name: {key: found[ssh.board.name][key] for key in keys} for ssh in boards}
    if as_json:
        print_json({"boards": rows})
        return
    table = FittingTable("board", "address", "daemon", "process", "supervisor", "what it said last")
    for ssh in boards:
        row = rows[ssh.board.name]
        words = (
            ssh.board.name,
            ssh.board.address,
            *("-" if row[key] is None else str(row[key]) for key in keys),
        )
        table.add_row(*map(escape, words))
    out.print(table)
