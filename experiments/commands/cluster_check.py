"""``detabed cluster check``: boards are compared with this machine, and each with the others."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from experiments.cluster.boards import chosen, examine
from experiments.cluster.cluster import Cluster, folder_of
from experiments.cluster.health import Finding, Here, common_governor, examined, offset_s
from experiments.cluster.inventory import read_inventory
from experiments.cluster.push import Record
from experiments.commands.options import BoardsArgument, InventoryOption, JsonOption
from experiments.commands.output import out, print_json
from experiments.commands.waiting import waiting
from experiments.fitting_table import FittingTable

FACTS = ("versions", "governors", "throttled", "free_bytes", "meter", "daemon")


def cluster_check(
    names: BoardsArgument = None,
    inventory: InventoryOption = Path("boards.toml"),
    as_json: JsonOption = False,
) -> None:
    boards = chosen(read_inventory(inventory), names or [])
    here = Here.of(Cluster.open(inventory))
    record = Record(folder_of(inventory))
    with waiting("asking the boards"):
        answers = examine(boards, {ssh.board.name: record.of(ssh.board.name) for ssh in boards})
    governor = common_governor(answers.given)
    rows: dict[str, dict[str, Any]] = {}
    for board in (ssh.board for ssh in boards):
        told = answers.given.get(board.name)
        if told is None:
            findings = [Finding("connection", answers.failed[board.name], "")]
            rows[board.name] = {"findings": findings, "facts": None}
            continue
        facts = {key: told[key] for key in FACTS} | {"clock_offset_s": offset_s(told)}
        findings = examined(board, told, here, governor, record.changed_here(board.name))
        rows[board.name] = {"findings": findings, "facts": facts}
    ok = not any(row["findings"] for row in rows.values())
    if as_json:
        found = {
            name: {"findings": [asdict(each) for each in row["findings"]], "facts": row["facts"]}
            for name, row in rows.items()
        }
        print_json({"ok": ok, "boards": found})
    else:
        _show(rows)
    if not ok:
        raise typer.Exit(1)


def _show(rows: dict[str, dict[str, Any]]) -> None:
    table = FittingTable("board", "what", "found", "what to do")
    for name, row in rows.items():
        for each in row["findings"]:
            table.add_row(*map(escape, (name, each.what, each.found, each.remedy)))
        if not row["findings"]:
            table.add_row(escape(name), "nothing wrong", "", "")
    out.print(table)
