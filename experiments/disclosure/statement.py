"""The disclosure of a finished run: made from its folder, written as a page and JSON beside it, and told in words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from carbon_data.files.whole import whole_file
from experiments.disclosure.artifact import Artifact, artifact_of
from experiments.disclosure.entry import Entry, Section
from experiments.disclosure.network import network
from experiments.disclosure.sci_ai import sci_ai
from experiments.disclosure.scope2 import by_zone, scope2
from experiments.fitting_table import FittingTable
from experiments.report import units
from experiments.report.lifecycle.embodied import embodied
from experiments.report.lifecycle.factors import Factors
from experiments.report.lifecycle.setting import setting_of
from experiments.report.read import Run, load
from experiments.report.study_page import Shown, render_study
from experiments.run_folder.finished import require_finished_run, require_sound

FOLDER = "disclosure"
"""In the run folder, unless another is given."""
PAGE, DATA = "disclosure.html", "disclosure.json"
FORMAT = 1
INTERVALS = (
    "Ranges are the central 95 % of the draws of the boards' power, the network's energy per byte and the zones' "
    "intensity; the "
    "making of devices is not drawn."
)


@dataclass(frozen=True)
class Disclosure:
    """Figures, zones, and how to repeat the run."""

    run: Run
    sections: tuple[Section, ...]
    zones: pd.DataFrame
    factors: list[dict[str, Any]]
    artifact: Artifact

    def as_dict(self) -> dict[str, Any]:
        """What ``--json`` prints. Base units, in the names."""
        return {
            "format": FORMAT,
            "run_id": self.run.metadata["run_id"],
            "policy": self.run.policy,
            "seed": self.run.seed,
            **{section.key: section.as_dict() for section in self.sections},
            "intervals": INTERVALS,
            "zones": json.loads(self.zones.to_json(orient="records")),
            "factors": self.factors,
            "artifact": self.artifact.as_dict(),
        }

    def print(self, console: Console) -> None:
        """Figures for people."""
        console.print(self._lead, markup=False, highlight=False)
        for section in self.sections:
            table = FittingTable("figure", "value", title=section.title, keep=["value"])
            table.add_column("95 % of draws", no_wrap=True)
            table.add_column("reading, or why there is no value")
            for entry in section.entries:
                table.add_row(
                    entry.label, value_text(entry), range_text(entry), entry.reading or entry.reason
                )
            console.print(table)

    @property
    def _lead(self) -> str:
        run = self.run
        return (
            f"Disclosure of {run.metadata['run_id']}: policy {run.policy}, seed {run.seed}, "
            f"{len(run.tables['nodes'])} nodes, "
            f"{run.tables['slots']['slot'].nunique()} slots."
        )

    def write(self, folder: Path) -> Path:
        """Page and JSON; returns the page's path."""
        folder.mkdir(parents=True, exist_ok=True)
        page = render_study(
            "experiments.disclosure",
            self._lead,
            [],
            [],
            name=self.run.folder.absolute().name,
            sections=[(section, _shown(section)) for section in self.sections],
            zones=_zones(self.zones),
            intervals=INTERVALS,
            factors=self.factors,
            artifact=self.artifact,
        )
        for name, text in (
            (PAGE, page),
            (DATA, json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n"),
        ):
            with whole_file(folder / name) as draft:
                draft.write_text(text, encoding="utf-8")
        return folder / PAGE


def value_text(entry: Entry) -> str:
    """The value with its unit, in the size people read."""
    if entry.value is None:
        return units.NO_VALUE
    if entry.unit == "fraction":
        return units.percent(entry.value)
    if entry.unit == "bit/J":
        return units.bits_per_joule(entry.value)
    if entry.unit.startswith("g CO2e"):
        return units.grams(entry.value) + entry.unit.removeprefix("g")
    return f"{units.number(entry.value)}{units.THIN}{entry.unit}"


def range_text(entry: Entry) -> str:
    """The ends of the draws, in the value's size."""
    if entry.low is None or entry.high is None:
        return units.NO_VALUE
    scale = units.grams_scale(entry.high)
    return f"{units.number(entry.low * scale.factor)} to {scale.text(entry.high)}"


def _shown(section: Section) -> Shown:
    rows = [
        [
            entry.label,
            value_text(entry),
            range_text(entry),
            entry.reading or entry.reason,
            f"{entry.how} ({entry.source})",
        ]
        for entry in section.entries
    ]
    return Shown(["figure", "value", "95 % of draws", "reading", "how"], rows)


def _zones(zones: pd.DataFrame) -> Shown:
    rows = [
        [
            str(row["zone"]),
            units.joules(row["energy_j"]),
            units.joules(row["grid_j"]),
            units.percent(None if pd.isna(row["matched_share"]) else row["matched_share"]),
            units.grams(row["operational_g"]),
        ]
        for row in zones.to_dict(orient="records")
    ]
    return Shown(["zone", "energy", "from the grid", "matched", "location-based"], rows)


def disclosure_of(folder: Path) -> Disclosure:
    """The disclosure of the run in ``folder``. Raises UsageError where there is no finished run with sound books."""
    require_finished_run(folder)
    require_sound(folder)
    run = load(folder).any_run
    factors = Factors()
    made = embodied(setting_of(run), factors)
    sections = (sci_ai(run, made), scope2(run, made), network(run, made))
    return Disclosure(run, sections, by_zone(run), factors.used(), artifact_of(run))
