"""``detabed resume``: a run, comparison or sweep that was broken off goes on in its folder."""

from __future__ import annotations

from experiments.commands.finished import failures_in_json, show
from experiments.commands.options import JsonOption, ReportOption, RunArgument, require_run_folder
from experiments.commands.output import err
from experiments.run_folder.lock import run_lock
from experiments.runs.broken_off import BrokenOff, find
from experiments.runs.start import isolate
from experiments.sweep.files import PLAN


def resume(run: RunArgument, report: ReportOption = True, as_json: JsonOption = False) -> None:
    require_run_folder(run)
    if (run / PLAN).is_file():
        # It imports Flower, and runs of this command may have to enter a network namespace first.
        from experiments.commands.sweep import go_on

        go_on(run, report, as_json)
        return
    with run_lock(run):
        found = find(run)
        isolate(found.scenario)
        # A network namespace can be entered only while no thread runs, and pandas and torch start threads when
        # imported.
        from experiments.runs.compare import run_compare, run_single

        quiet = as_json and not err.is_terminal
        with failures_in_json(run, as_json):
            if isinstance(found, BrokenOff):
                result = run_single(found.scenario, run, err, quiet=quiet, draw=report, broken_off=found)
            else:
                result = run_compare(
                    found.scenario,
                    found.policies,
                    found.seeds,
                    run,
                    err,
                    quiet=quiet,
                    draw=report,
                    resumed=True,
                    about=found.about,
                )
    show(result, as_json)
