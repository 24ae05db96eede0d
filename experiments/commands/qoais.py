"""``detabed qoais``: quality of AI service and life cycle of a finished run."""

from __future__ import annotations

from experiments.commands.options import JsonOption, RunArgument, require_run_folder
from experiments.commands.output import out, print_json
from experiments.commands.waiting import waiting
from experiments.fitting_table import FittingTable
from experiments.report.qoais.report import qoais_of
from experiments.report.qoais.tables import terminal_rows


def qoais(run: RunArgument, as_json: JsonOption = False) -> None:
    require_run_folder(run)
    with waiting("reading the run"):
        found = qoais_of(run)
    if as_json:
        print_json(found)
        return
    for policy, entry in found["qoais"].items():
        counts = ", ".join(f"{count} {status}" for status, count in entry["counts"].items())
        table = FittingTable(
            "dimension",
            "indicator",
            "value",
            "reading",
            "formula, or why there is no value",
            title=f"{policy}, seed {entry['seed']}: {counts}",
        )
        for row in terminal_rows(entry):
            table.add_row(*row)
        out.print(table)
