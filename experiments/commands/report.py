"""``detabed report``: the report of a finished run or comparison."""

from __future__ import annotations

from experiments.commands.options import JsonOption, RunArgument, require_run_folder
from experiments.commands.output import out, print_json
from experiments.report.html import write_report


def report(run: RunArgument, as_json: JsonOption = False) -> None:
    require_run_folder(run)
    path = write_report(run)
    if as_json:
        print_json({"report": str(path)})
    else:
        out.print(f"report: {path}", soft_wrap=True)
