"""Long runs without learning on a virtual fleet: a year of a scenario's traces, with one report."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from edge_node.tasks.none import NAME
from experiments.errors import UsageError
from experiments.fitting_table import FittingTable
from experiments.progress import watching
from experiments.report.simulated.page import as_json, rows_of_totals, write_page
from experiments.report.simulated.totals import Simulated, simulated
from experiments.resolve.chosen_policy import SECONDS_PER_DAY
from experiments.runs.compare import run_single
from experiments.scenario.keys import MAX_SLOTS
from experiments.scenario.model import Scenario
from experiments.scenario.system import FleetSpec
from experiments.scenario.work import StagesSpec


@dataclass(frozen=True)
class Simulation:
    """A finished simulation."""

    folder: Path
    report: Path | None
    """None: not drawn."""
    totals: Simulated
    wall_s: float
    failed: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """What --json prints."""
        return {
            "run": str(self.folder),
            "report": None if self.report is None else str(self.report),
            "wall_s": round(self.wall_s, 3),
            **as_json(self.totals),
        }

    def print(self, console: Console) -> None:
        """Totals for people, and where the report is."""
        table = FittingTable(
            "what", "value", title=f"{self.totals.metadata['name']}: {self.totals.metadata['policy']}"
        )
        for row in rows_of_totals(self.totals):
            table.add_row(*row)
        console.print(table)
        console.print(f"folder: {self.folder}", soft_wrap=True, highlight=False)
        if self.report is not None:
            console.print(f"report: {self.report}", soft_wrap=True, highlight=False)


def for_days(scenario: Scenario, days: int) -> Scenario:
    """``scenario`` as ``days`` days of its traces on a virtual fleet. Raises UsageError for a scenario that learns, or
    more slots than a run has."""
    if scenario.task.name != NAME:
        with scenario.at("task", "name"):
            raise UsageError(
                f'a simulation learns nothing, and task {scenario.task.name} does: give task.name = "{NAME}" with '
                "[demand], or use `detabed run`"
            )
    slots = round(days * SECONDS_PER_DAY / scenario.time.trace_step_s)
    if not 1 <= slots <= MAX_SLOTS:
        raise UsageError(
            f"--days {days} is {slots} slots of {scenario.time.trace_step_s:g} s; allowed are 1 to {MAX_SLOTS}: give "
            "fewer days, or a longer time.trace_step_s"
        )
    changes = {
        "stages": StagesSpec(preparation=0, development=slots, application=0, recycling=0),
        "fleet": FleetSpec(kind="virtual", meter=scenario.fleet.meter),
    }
    return scenario.model_copy(update=changes)


def simulate(
    scenario: Scenario, days: int, folder: Path, console: Console, quiet: bool = False, draw: bool = True
) -> Simulation:
    """Run ``days`` days and report them. Raises as ``run_single``."""
    began = time.perf_counter()
    run_single(for_days(scenario, days), folder, console, quiet=quiet, draw=False)
    with watching(console, "writing the report", quiet=quiet):
        totals = simulated(folder)
        report = write_page(totals, folder) if draw else None
    return Simulation(folder, report, totals, time.perf_counter() - began)
