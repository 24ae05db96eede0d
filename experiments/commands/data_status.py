"""``detabed data status``: the large data files and whether they are in place."""

from __future__ import annotations

from carbon_data.files.datasets import status
from carbon_data.files.folders import data_dir
from experiments.commands.options import JsonOption
from experiments.commands.output import out, print_json
from experiments.commands.waiting import waiting
from experiments.fitting_table import FittingTable


def data_status(as_json: JsonOption = False) -> None:
    with waiting("computing checksums"):
        found = status()
    rows = [
        {
            "name": row.dataset.name,
            "state": row.state.value,
            "size_bytes": row.dataset.size_bytes,
            "licence": row.dataset.licence,
            "path": str(row.path),
            "detail": row.detail,
        }
        for row in found
    ]
    if as_json:
        print_json({"folder": str(data_dir()), "datasets": rows})
        return
    table = FittingTable(title="data files", keep=("state",), more="A wider terminal and --json have all")
    table.add_column("name", overflow="fold")
    table.add_column("state", no_wrap=True)
    table.add_column("kB", justify="right", no_wrap=True)
    table.add_column("licence", overflow="fold")
    for row in rows:
        kilobytes = f"{int(str(row['size_bytes'])) / 1e3:,.0f}"
        table.add_row(str(row["name"]), str(row["state"]), kilobytes, str(row["licence"]))
    out.print(table)
    out.print(f"folder: {data_dir()} (set DETABED_DATA_DIR for another)", soft_wrap=True, highlight=False)
    for row in rows:
        if row["detail"]:
            out.print(f"{row['name']} is {row['state']}: {row['detail']}", soft_wrap=True, markup=False)
