"""Finished runs and comparisons as Python objects: tables, headline figures, drawings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from carbon_data.types import DataError
from experiments.report import headline_tables, matrix
from experiments.report.figures import draw_all
from experiments.report.html import headline, write_report
from experiments.report.measures import totals
from experiments.report.paper import write_paper
from experiments.report.read import Run as Tables
from experiments.report.read import Study, load
from experiments.run_folder.files import SCENARIO
from experiments.run_folder.verify import verify_run
from experiments.scenario.model import Scenario, parse_scenario

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from experiments.report.figures.base import Drawing

_CARD = "style='padding: .4em 1.2em .4em 0; vertical-align: top; text-align: left'"


class Results:
    """Common part of a run and a comparison. Figures are drawn and tables read at their first use."""

    def __init__(self, study: Study) -> None:
        self._study = study

    @property
    def folder(self) -> Path:
        """Folder of tables, ledger, scenario and report."""
        return self._study.folder

    @cached_property
    def headline(self) -> pd.DataFrame:
        """Grams of CO2e per round, 1,000 answers, 1,000 tokens and hour of the fleet, a row for each policy and what
        it counts (``testbed`` or ``nodes``), with the central 95 % of the draws of boards, network and intensity
        (columns ``..._low_g``, ``..._high_g``)."""
        return headline_tables.functional(self._study).frame

    @cached_property
    def totals(self) -> pd.DataFrame:
        """A row for each run: grams, joules, batches, bits, tokens, accuracy, TREE. Units are in the names."""
        return pd.DataFrame([totals(run) for run in self._study]).set_index(["policy", "seed"])

    @cached_property
    def figures(self) -> tuple[str, ...]:
        """Names that ``figure`` takes."""
        return tuple(self._drawings)

    @cached_property
    def _drawings(self) -> dict[str, Drawing]:
        return {drawing.name: drawing for drawing in draw_all(self._study)}

    def figure(self, name: str) -> Figure:
        """A matplotlib figure of the report, by its name or the beginning of it (``"emissions"``); the first of several
        that begin so. Raises KeyError with the names there are."""
        found = (
            name
            if name in self.figures
            else next((one for one in self.figures if one.startswith(name)), None)
        )
        if found is None:
            raise KeyError(f"no figure {name!r}; there are {', '.join(self.figures)}")
        return self._drawings[found].figure

    def report(self) -> Path:
        """Write the report; the path of its page."""
        return write_report(self.folder)

    def paper(self) -> Path:
        """Write every table as LaTeX and every figure as PDF in a journal's type and width; their folder."""
        return write_paper(self._study)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.folder}: {headline(self._study)['sentence']}>"

    def _repr_html_(self) -> str:
        said = headline(self._study)
        cards = "".join(
            f"<td {_CARD}><b>{escape(card['value'])}</b><br>{escape(card['label'])}"
            f"<br><small>{escape(card['note'])}</small></td>"
            for card in said["cards"]
        )
        return (
            f"<p>{escape(said['sentence'])}</p><table><tr>{cards}</tr></table>"
            f"<p><code>{escape(str(self.folder))}</code></p>"
        )


class Run(Results):
    """One finished run. Tables have one row per slot, node, round or flow; units are in the names of their columns."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(Study(tables.folder, False, {tables.policy: {tables.seed: tables}}))
        self._tables = tables

    @property
    def policy(self) -> str:
        return self._tables.policy

    @property
    def seed(self) -> int:
        return self._tables.seed

    @property
    def metadata(self) -> dict[str, Any]:
        """Versions, seeds, sources of the data, length of a slot."""
        return self._tables.metadata

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario as run, with every default filled in."""
        return parse_scenario(self._tables.scenario, str(self.folder / SCENARIO), folder=self.folder)

    @property
    def slots(self) -> pd.DataFrame:
        """A row for each slot and node: energy by source, battery, batches, tokens, grams."""
        return self._table("slots")

    @property
    def nodes(self) -> pd.DataFrame:
        """A row for each node: board, zone, battery, radio."""
        return self._table("nodes")

    @property
    def rounds(self) -> pd.DataFrame:
        """A row for each federated round: loss and accuracy on held-out data."""
        return self._table("rounds")

    @property
    def lines(self) -> pd.DataFrame:
        """A row for each booked line: joules and grams by slot, holder, stage and component."""
        return self._table("lines")

    @property
    def energy_flows(self) -> pd.DataFrame:
        """A row for each transfer of energy between two nodes."""
        return self._table("energy_flows")

    @property
    def batch_flows(self) -> pd.DataFrame:
        """A row for each owner and executor of batches in a slot."""
        return self._table("batch_flows")

    @property
    def decisions(self) -> pd.DataFrame:
        """A row for each slot: outcome of its decision, and notes."""
        return self._table("decisions")

    @property
    def serving(self) -> pd.DataFrame:
        """A row for each slot, node and service: requests, tokens, latencies. Empty where the run served nothing."""
        return self._table("serving")

    def verify(self) -> dict[str, Any]:
        """Check the ledger: sums, hash chain, batteries, transfers, batches, grams. ``ok`` and ``findings``."""
        return verify_run(self.folder)

    def _table(self, name: str) -> pd.DataFrame:
        """A copy: changes of it do not affect the run."""
        found = self._tables.tables.get(name)
        if found is None:
            raise DataError(f"{self.folder} has no table {name}; there are {', '.join(self._tables.tables)}")
        return found.copy()


class Comparison(Results):
    """Several policies on identical seeds. ``comparison["deta", 0]`` is one of its runs; iterating gives all."""

    @property
    def policies(self) -> tuple[str, ...]:
        return self._study.policies

    @property
    def seeds(self) -> tuple[int, ...]:
        return self._study.seeds

    @property
    def failed(self) -> dict[str, str]:
        """Runs that failed, by the name of their folder, and why. They are in no figure."""
        return dict(self._study.failed)

    @cached_property
    def reductions(self) -> pd.DataFrame:
        """A row for each policy and baseline: reduction of grams for nodes alone and for the whole testbed, with its
        95 % interval. Empty where no baseline was run."""
        table = headline_tables.reductions(self._study)
        return pd.DataFrame() if table is None else table.frame

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """A row for each two policies, direction and boundary: paired reduction with its interval, p of the signed
        ranks alone and corrected for all pairs, and the smallest difference that these seeds show."""
        table = matrix.table(self._study)
        return pd.DataFrame() if table is None else table.frame

    @cached_property
    def regret(self) -> pd.DataFrame:
        """A row for each run: grams above the perfect-foresight bound of its day."""
        return pd.DataFrame(self._study.regret.get("runs", []))

    def __getitem__(self, key: tuple[str, int]) -> Run:
        policy, seed = key
        try:
            return Run(self._study.runs[policy][seed])
        except KeyError:
            raise KeyError(
                f"no run of {policy!r} with seed {seed!r}; policies are {', '.join(self.policies)}, seeds "
                f"{', '.join(map(str, self.seeds))}"
            ) from None

    def __iter__(self) -> Iterator[Run]:
        return (Run(run) for run in self._study)

    def __len__(self) -> int:
        return sum(len(by_seed) for by_seed in self._study.runs.values())


def open_results(folder: Path | str) -> Run | Comparison:
    """The results in ``folder``. Raises carbon_data.types.DataError where there is no finished run."""
    study = load(Path(folder))
    return Comparison(study) if study.is_comparison else Run(study.any_run)
