"""A part of a run between boundaries of its life cycle: energy, grams, and the devices reserved meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from carbon_data.uncertainty import Spread, monte_carlo_totals, spread
from experiments.report.lifecycle.books import STAGES
from experiments.report.lifecycle.embodied import Embodied
from experiments.report.lifecycle.factors import Factors
from experiments.report.lifecycle.spread import DRAWS, boards_of, error_model, gram_lines
from experiments.report.provenance import Known, joules_by_provenance, known_from, missing_fraction
from experiments.report.read import Run

CONSUMER = ("application",)
PROVIDER = ("preparation", "development", "recycling")


def lines_of(run: Run, stages: tuple[str, ...]) -> pd.DataFrame:
    """Lines of the work of ``stages``; idle time and waste go to the stage of their slot."""
    lines, slots = run.tables["lines"], run.tables["slots"]
    stage_of_slot = slots.drop_duplicates("slot").set_index("slot")["stage"]
    stage = lines["stage"].where(lines["stage"].isin(STAGES), lines["slot"].map(stage_of_slot))
    return lines[stage.isin(stages)]


@dataclass(frozen=True)
class Part:
    """Lines of a run, and its share of the embodied emissions."""

    run: Run
    stages: tuple[str, ...]
    made: Embodied
    draws: int = DRAWS

    @cached_property
    def lines(self) -> pd.DataFrame:
        return lines_of(self.run, self.stages)

    @property
    def energy_j(self) -> float:
        return float(self.lines["energy_j"].sum())

    @property
    def operational_g(self) -> float:
        return float(self.lines["operational_g"].sum())

    @property
    def embodied_g(self) -> float | None:
        """Every device is reserved for all slots, so a part's share is that of its slots. None where a factor is
        not known."""
        total = self.made.total_g
        slots = self.run.tables["slots"].drop_duplicates("slot")["stage"]
        return None if total is None else total * float(slots.isin(self.stages).mean())

    @property
    def without(self) -> str:
        """Whose making is not in ``embodied_g``, to stand behind a formula; empty where all is."""
        return f"; M leaves out {self.made.without}" if self.made.unknown else ""

    @property
    def known(self) -> Known:
        return known_from(joules_by_provenance(self.lines), missing_fraction=missing_fraction(self.run))

    @cached_property
    def spread(self) -> Spread | None:
        """Operational grams under the draws of boards, network and intensity; None where nothing was emitted."""
        lines = gram_lines(self.lines, boards_of(self.run))
        if lines.grams.size == 0:
            return None
        return spread(monte_carlo_totals([lines], error_model([self.run], Factors()), draws=self.draws)[0])
