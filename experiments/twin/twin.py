"""A run's twin: made from its folder, written as a page and tables beside the run, and told in words or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from carbon_data.files.whole import whole_file
from carbon_data.units import MICRO
from experiments.errors import UsageError
from experiments.report.node_names import named
from experiments.report.study_page import render_study
from experiments.run_folder.files import FIGURES
from experiments.twin import words
from experiments.twin.errors import Errors, LineErrors, by_clock, by_line, by_node_and_activity, errors_of
from experiments.twin.figures import energy_by_window, error_by_node, time_by_node
from experiments.twin.operations import Operations
from experiments.twin.replay import LeftOut, Window, meter_of, replay
from experiments.twin.source import Source, open_source

FOLDER = "twin"
"""In the run folder, unless another is given."""
PAGE, WINDOWS, TABLE = "twin.html", "windows.parquet", "twin.csv"
DERIVED = (
    "error_j",
    "error_fraction",
    "mean_absolute_error_fraction",
    "within",
    "inside_fraction",
    "window_error_fraction",
    "window_within",
    "time_error_fraction",
    "busy_error_fraction",
)
"""Properties of Errors, in tables and JSON beside its fields."""


@dataclass(frozen=True)
class Twin:
    """A run beside its twin."""

    source: Source
    windows: tuple[Window, ...]
    left_out: tuple[LeftOut, ...]
    slot_s: float

    @cached_property
    def whole(self) -> Errors:
        return errors_of(self.windows)

    @cached_property
    def rows(self) -> list[Errors]:
        return by_node_and_activity(self.windows)

    @cached_property
    def lines(self) -> list[LineErrors]:
        return by_line(self.windows)

    @cached_property
    def clocks(self) -> list[tuple[float, Errors]]:
        """(MHz, errors) by operating point; [] where no clock was chosen."""
        return by_clock(self.windows)

    @cached_property
    def names(self) -> dict[str, str]:
        """Node -> id with zone."""
        run = self.source.run
        return {node: named(node, run.zone_of(node)) for node in run.node_ids}

    @property
    def asked(self) -> int:
        return len(self.windows) + len(self.left_out)

    @property
    def notices(self) -> list[str]:
        unlike = words.slots_unlike(self.whole, self.source.run.config.get("overrun") is not None)
        meters = words.of_meters(self.windows, self.names)
        absent = words.left_out(self.left_out, self.names)
        return [*self.source.notes, *meters, *([unlike] if unlike else []), *absent]

    def as_dict(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "run": str(self.source.folder),
            "slot_s": self.slot_s,
            "profiles": dict(self.source.profiles),
            "fleet": _told(self.whole),
            "nodes": [_told(row) for row in self.rows],
            "clocks": [{"frequency_mhz": clock, **_told(row)} for clock, row in self.clocks],
            "components": [asdict(row) for row in self.lines],
            "left_out": [asdict(each) for each in self.left_out],
            "notices": self.notices,
        }

    def print(self, console: Console) -> None:
        """Facts for people."""
        console.print(self._lead, markup=False, highlight=False)
        table = Table("what", "value", title=f"Twin of {self.source.folder}")
        for what, value, _ in words.facts(self.whole, self.asked):
            table.add_row(what, value)
        console.print(table)
        for text in self.notices:
            console.print(text, markup=False, highlight=False)

    @property
    def _lead(self) -> str:
        nodes, slots = ({getattr(each, of) for each in self.windows} for of in ("node_id", "slot"))
        return words.lead(self.whole, len(nodes), len(slots))

    def write(self, folder: Path) -> Path:
        """Page, figures and tables; returns the page's path."""
        figures = folder / FIGURES
        figures.mkdir(parents=True, exist_ok=True)
        drawn = []
        for drawing in (
            energy_by_window(self.windows),
            error_by_node(self.rows, self.names),
            time_by_node(self.rows, self.names),
        ):
            if drawing is not None:
                svg = drawing.svg()
                drawing.save(figures, svg)
                drawn.append((drawing, svg))
        window_frame(self.windows).to_parquet((folder / WINDOWS).absolute(), index=False)
        pd.DataFrame([_told(row) for row in self.rows]).to_csv(
            folder / TABLE, index=False, lineterminator="\n"
        )
        page = render_study(
            "experiments.twin",
            self._lead,
            drawn,
            [
                ("By node and activity", words.table(self.rows, self.names)),
                *([("By operating point", words.clock_table(self.clocks))] if self.clocks else []),
                ("By stage and component", words.line_table(self.lines)),
            ],
            name=self.source.folder.absolute().name,
            notices=[text.replace("`", "") for text in self.notices],
            facts=words.facts(self.whole, self.asked),
            explained=words.EXPLAINED,
            profiles=[(self.names.get(node, node), text) for node, text in self.source.sources.items()],
        )
        with whole_file(folder / PAGE) as draft:
            draft.write_text(page, encoding="utf-8")
        return folder / PAGE


def _told(row: Errors) -> dict[str, Any]:
    return asdict(row) | {name: getattr(row, name) for name in DERIVED}


def window_frame(windows: Sequence[Window]) -> pd.DataFrame:
    """One row a window, in base units; null is missing."""
    rows = []
    for each in windows:
        row = asdict(each)
        for name in ("lines", "twin_lines"):
            row.pop(name)
        energies = {name: row.pop(name) for name in list(row) if name.endswith("_uj")}
        row |= {
            f"{name.removesuffix('_uj')}_j": None if amount is None else amount / MICRO
            for name, amount in energies.items()
        }
        rows.append(row)
    frame = pd.DataFrame(rows)
    numbers = [name for name in map(str, frame) if name.endswith(("_j", "_s", "_mhz", "_fraction"))]
    return frame.astype(dict.fromkeys(numbers, "float64") | {"gaps": "Int64"})


def twin_of(folder: Path, profiles: Sequence[str] = ()) -> Twin:
    """The twin of the run in ``folder``. ``profiles``: see experiments.twin.source. Raises UsageError where it can have
    none."""
    source = open_source(folder, profiles)
    replayed = replay(source.run, Operations(source.scenario, source.standard), source.boards)
    if not replayed.windows:
        meters = sorted({meter_of(source.run, node) or "none" for node in source.run.node_ids})
        raise UsageError(
            f"{folder}: nothing was measured (meter: {', '.join(meters)}; {len(replayed.left_out)} node slots), so "
            "that a twin would be compared with itself; run the scenario on boards with fleet.meter, or meter of "
            "[[nodes]], that reads a sensor, CPU time or a recording (`detabed list meters`)"
        )
    return Twin(source, replayed.windows, replayed.left_out, replayed.slot_s)
