"""One cell in one process: resolve its scenario, run it, and take its totals."""

from __future__ import annotations

import errno
import shutil
import tempfile
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from carbon_data.own_code import look_beside
from carbon_data.types import DataError
from coordinator.process import take_turns_quickly
from edge_node.tasks.memory import keep_memory
from experiments.errors import RunError, UsageError, describe_failure
from experiments.fleet.inprocess import InProcessFleet
from experiments.fleet.virtual import VirtualFleet
from experiments.report.measures import totals
from experiments.report.read import load_run
from experiments.resolve.resolve import resolve, resolve_single
from experiments.runs.run import execute
from experiments.scenario.model import Scenario, parse_scenario
from experiments.sweep.work.jobs import Answer, Job

FULL = (errno.ENOSPC, errno.EDQUOT)
NOT_FIGURES = ("policy", "seed")


def answer(job: Job, scratch: Path | None = None) -> Answer:
    """Do ``job``. ``scratch``: an existing folder for the run's files, which are removed afterwards; None: the
    system's."""
    try:
        look_beside(None if job.own_code is None else Path(job.own_code))
        scenario = parse_scenario(job.text, "")
        if job.only_check:
            resolve_single(scenario)
            return Answer(job.number)
        return Answer(job.number, result=_run(scenario, scratch))
    except (UsageError, DataError) as error:
        return Answer(job.number, refused=str(error))
    except (RunError, OSError) as error:
        if (full := _full_disk(error)) is not None:
            return Answer(job.number, stopped=describe_failure(full))
        return Answer(job.number, failed=str(error))
    except Exception as error:  # of code of one's own, or a fault of ours: this cell fails, the others go on
        traceback.print_exc()
        return Answer(job.number, failed=f"{type(error).__name__}: {error}")


def _run(scenario: Scenario, scratch: Path | None) -> dict[str, Any]:
    """Totals of the run."""
    place = Path(tempfile.mkdtemp(prefix="cell-", dir=scratch))
    try:
        take_turns_quickly()
        keep_memory()
        fleet = VirtualFleet() if scenario.fleet.kind == "virtual" else InProcessFleet()
        fleet.start()
        try:
            execute(resolve(scenario), place / "run", fleet)
        except RunError as error:
            raise RunError(str(error).removeprefix(f"{place / 'run'}: ")) from error.__cause__
        finally:
            fleet.stop()
        found = asdict(totals(load_run(place / "run")))
        return {name: value for name, value in found.items() if name not in NOT_FIGURES}
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _full_disk(error: BaseException | None) -> OSError | None:
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return error
        error = error.__cause__
    return None
