"""``detabed cluster push``: package, data files and files of one's own go to the boards, only what differs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from carbon_data.ours import NAMES
from experiments.cluster.agent.installed import code_digest
from experiments.cluster.boards import ask_all, chosen
from experiments.cluster.cluster import Cluster, folder_of
from experiments.cluster.inventory import read_inventory
from experiments.cluster.push import Record, Sent, data_files, deliver, offer, own_files, wheel_file
from experiments.cluster.wheel import build_wheel, wheel_digest
from experiments.commands.options import BoardsArgument, InventoryOption, JsonOption
from experiments.commands.output import err, out, print_json
from experiments.commands.waiting import waiting
from experiments.errors import RunError
from experiments.fitting_table import FittingTable

UNDONE = "Nothing was sent"


def cluster_push(
    names: BoardsArgument = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--file", help="A task or meter of your own: a file or a package's folder; may be repeated."
        ),
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option(help="A data set of detabed data status, or all; may be repeated.")
    ] = None,
    wheel: Annotated[
        Path | None, typer.Option(help="Wheel of detabed to install; default: built from what runs here.")
    ] = None,
    inventory: InventoryOption = Path("boards.toml"),
    as_json: JsonOption = False,
) -> None:
    boards = chosen(read_inventory(inventory), names or [])
    Cluster.open(inventory)
    common = [*own_files(files or []), *data_files(data or [])]
    expected = code_digest(NAMES) if wheel is None else wheel_digest(wheel)
    with waiting("asking the boards"):
        installed = ask_all(boards, "code", code=NAMES).require(UNDONE)
    other = [name for name, told in installed.items() if told["code"] != expected]
    with tempfile.TemporaryDirectory() as folder:
        built: list[Sent] = []
        if other:
            err.print(
                "the package differs: building its wheel" if wheel is None else f"sending {wheel}",
                markup=False,
            )
            with waiting("building the wheel"):
                built = [wheel_file(wheel or build_wheel(Path(folder)))]
        sent = {ssh.board.name: [*common, *(built if ssh.board.name in other else [])] for ssh in boards}
        with waiting("offering") as watch:
            offered = offer(boards, sent).require(UNDONE)
            done = deliver(boards, sent, offered, watch)
    record = Record(folder_of(inventory))
    for name in done.given:
        record.add(name, sent[name])
    with waiting("asking the boards"):
        after = ask_all([ssh for ssh in boards if ssh.board.name in done.given], "code", code=NAMES)
    rows = {
        name: {"sent": told["sent"], "code": after.given.get(name, {}).get("code")}
        for name, told in done.given.items()
    }
    if as_json:
        print_json({"boards": rows})
    else:
        _show(rows)
    still = [
        f"board {name} has other code than was sent; does something come before it there (PYTHONPATH, a clone)?"
        for name, row in rows.items()
        if row["code"] != expected
    ]
    if failed := [*done.failed.values(), *still]:
        raise RunError("; ".join(failed))
    if any(row["sent"] for row in rows.values()):
        err.print("daemons that run have the files of before: detabed cluster down, then up", markup=False)


def _show(rows: dict[str, dict[str, Any]]) -> None:
    table = FittingTable("board", "sent", "kB")
    for name, row in rows.items():
        what = ", ".join(each["name"] for each in row["sent"]) or "nothing: all is there"
        table.add_row(escape(name), escape(what), f"{sum(each['bytes'] for each in row['sent']) / 1e3:,.0f}")
    out.print(table)
