"""A sweep from its plan to its tables: what is kept is read; what is missing is resolved, then computed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import Progress

from carbon_data.own_code import VARIABLE
from experiments.errors import RunError, UsageError, describe_failure
from experiments.progress import progress_bar
from experiments.run_folder.failed import mark_failed, mark_unfinished
from experiments.run_folder.files import DONE
from experiments.run_folder.lock import new_run_lock, run_lock
from experiments.sweep.keys import Keys, Surroundings
from experiments.sweep.plan import Plan, write_plan
from experiments.sweep.runs import Runs
from experiments.sweep.store import Result, Store
from experiments.sweep.table import failures_of, table_of, write_tables
from experiments.sweep.work.jobs import Job, Workers

SPEED_OVER_S = 600.0
"""Remaining time: from the speed of the last ten minutes; a run may take minutes."""


@dataclass(frozen=True)
class Swept:
    """A sweep that came to its end."""

    plan: Plan
    folder: Path
    table: pd.DataFrame
    failures: pd.DataFrame
    computed: int
    """Runs that were computed now; the others were kept."""

    @property
    def failed(self) -> dict[str, str]:
        """Why, by run."""
        return {
            f"{self.plan.said(row['cell']) or self.plan.name}, {row['policy']}, seed {row['seed']}": str(
                row["why"]
            )
            for row in self.failures.to_dict("records")
        }


def run_sweep(
    plan: Plan,
    folder: Path,
    workers: Workers,
    console: Console,
    *,
    quiet: bool = False,
    resumed: bool = False,
    cache: Path | None = None,
) -> Swept:
    """Run what is missing of ``plan``, and write the tables.

    All scenarios are validated before anything is made, and resolved before the first of them runs; where one is
    refused, the folder is as it was. ``resumed``: the folder is that of an earlier call with this plan. ``cache``: of
    results; None: the user's.

    Raises UsageError where a cell is refused; RunError where the sweep cannot go on, with what is kept.
    """
    with progress_bar(console, quiet=quiet, speed_over_s=SPEED_OVER_S) as bar:
        here = Surroundings.here()
        runs = _validated(plan, here, bar)
        with _held(folder, resumed):
            store = Store(folder, cache)
            if not resumed:
                write_plan(plan, folder)
            mark_unfinished(folder)
            (folder / DONE).unlink(missing_ok=True)
            work = _Work(plan, folder, runs, store, bar)
            with _kept_is_said(work, workers.again):
                work.read()
                if work.missing:
                    work.compute(workers)
                return work.ended()


def _validated(plan: Plan, here: Surroundings, bar: Progress) -> Runs:
    task = bar.add_task("validating", total=len(plan.cells) * len(plan.policies), detail="")
    runs = Runs.of(plan, Keys(here), lambda: bar.advance(task))
    bar.remove_task(task)
    return runs


@contextmanager
def _held(folder: Path, resumed: bool) -> Iterator[None]:
    """The folder, locked. Where it was new and a cell is refused, it is as it was before."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    refused = False
    with run_lock(folder) if resumed else new_run_lock(folder):
        try:
            yield
        except UsageError:
            refused = True
            raise
        finally:
            if refused and not resumed:
                _empty(folder)
                for path in made:
                    path.rmdir()


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


@contextmanager
def _kept_is_said(work: _Work, again: str) -> Iterator[None]:
    """Errors and Ctrl-C with what is kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(work.kept(again)) from None
    except OSError as error:
        raise RunError(f"{describe_failure(error)}; {work.kept(again)}") from error
    except RunError as error:
        raise RunError(f"{error}; {work.kept(again)}") from error


class _Work:
    """The runs of a sweep as they come to be known."""

    def __init__(self, plan: Plan, folder: Path, runs: Runs, store: Store, bar: Progress) -> None:
        self._plan, self._folder, self._runs, self._store = plan, folder, runs, store
        self._bar = bar
        self._results: dict[str, Result] = {}
        self._failed: dict[str, str] = {}
        self.missing: list[str] = []
        self._computed = 0

    def read(self) -> None:
        """What is kept."""
        for key in self._runs.by_key:
            found = self._store.get(key)
            if found is None:
                self.missing.append(key)
            else:
                self._results[key] = found

    def compute(self, workers: Workers) -> None:
        """What is missing. Raises UsageError before the first run where a scenario is refused."""
        with workers:
            checks = self._runs.checks(self.missing)
            task = self._bar.add_task("resolving", total=len(checks), detail="")
            for answer in workers.answers([self._sent(job) for job, _ in checks.values()]):
                self._require(answer.stopped, answer.failed)
                if answer.refused:
                    cell, policy, _ = self._runs.by_key[checks[answer.number][1]][0]
                    said = self._plan.said(cell)
                    first = answer.refused.splitlines()[0]
                    raise UsageError(f"--set {said} (policy {policy}): {first}" if said else first)
                self._bar.advance(task)
            self._bar.remove_task(task)
            self._run_all(workers)

    def _run_all(self, workers: Workers) -> None:
        jobs = [self._sent(self._runs.job(number, key)) for number, key in enumerate(self.missing)]
        task = self._bar.add_task("running", total=len(jobs), detail=self._kept_detail())
        for answer in workers.answers(jobs):
            self._require(answer.stopped)
            key = self.missing[answer.number]
            if answer.result is None:
                self._failed[key] = answer.failed or answer.refused
            else:
                self._store.put(key, answer.result)
                self._results[key] = answer.result
                self._computed += 1
            failed = f", [red]{len(self._failed)} failed[/red]" if self._failed else ""
            self._bar.update(task, advance=1, detail=self._kept_detail() + failed)

    def _kept_detail(self) -> str:
        before = len(self._results) - self._computed
        return f"{before} kept from before" if before else ""

    def _sent(self, job: Job) -> Job:
        return replace(job, own_code=os.environ.get(VARIABLE))

    @staticmethod
    def _require(*why: str) -> None:
        if text := "".join(why):
            raise RunError(text)

    def kept(self, again: str) -> str:
        """For people: how far it got, and how to go on. ``again``: options to repeat."""
        return (
            f"{len(self._results)} of {len(self._runs.by_key)} runs are kept in {self._folder}; go on with "
            f"`detabed sweep --resume {self._folder}{again}`"
        )

    def ended(self) -> Swept:
        """Write tables and marks."""
        table = table_of(self._plan, self._runs.spread(self._results))
        failures = failures_of(self._plan, self._runs.spread(self._failed))
        write_tables(table, failures, self._folder)
        if self._store.no_cache:
            self._bar.console.print(
                f"warning: results are kept in {self._folder} alone: {self._store.no_cache}", markup=False
            )
        if self._failed:
            mark_failed(self._folder, f"{len(failures)} of {self._plan.runs} runs failed")
        else:
            (self._folder / DONE).write_text("", encoding="utf-8")
        return Swept(self._plan, self._folder, table, failures, self._computed)
