"""Functional units of a run: grams per round, per 1,000 answers, per 1,000 tokens, and the fleet's grams per hour.

They come first in every report. A run's total depends on the compression of its replay (a slot of half a second replays
an hour of traces); these figures do not: energy per round, answer and token is that of the boards, and grams per hour
are over the boards' own time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from experiments.report.boundary import Boundary, inside
from experiments.report.measures import ById
from experiments.report.read import Run
from experiments.report.serving import generating_rows, serving_table
from protos.messages.terms import HOLDERS, Stage

SECONDS_PER_HOUR = 3600.0
PER_THOUSAND = 1000.0


@dataclass(frozen=True, slots=True)
class FunctionalUnits:
    """g CO2e per unit; None where there was none of the unit."""

    per_round_g: float | None
    """Development stage over its rounds."""
    per_1000_answers_g: float | None
    """Application stage over the answers delivered."""
    per_1000_tokens_g: float | None
    """Application stage of what was served in tokens, over input and generated tokens."""
    per_hour_g: float | None
    """All lines, including idle time, over the boards' own time."""

    def as_dict(self) -> dict[str, float | None]:
        return asdict(self)


LABELS: Mapping[str, str] = {
    "per_round_g": "per round",
    "per_1000_answers_g": "per 1\u202f000 answers",
    "per_1000_tokens_g": "per 1\u202f000 tokens",
    "per_hour_g": "per hour of the fleet",
}


@dataclass(frozen=True)
class UnitLines:
    """Lines of a unit's grams, and the number of units."""

    lines: pd.DataFrame
    units: float

    @property
    def grams(self) -> float:
        """Per unit."""
        return float(self.lines["operational_g"].sum()) / self.units


def functional_units(run: Run, boundary: Boundary = Boundary.TESTBED) -> FunctionalUnits:
    """Of ``run``, with the lines within ``boundary``."""
    found = unit_lines(run, boundary)
    return FunctionalUnits(**{name: found[name].grams if name in found else None for name in LABELS})


def unit_lines(run: Run, boundary: Boundary) -> Mapping[str, UnitLines]:
    """Field of FunctionalUnits -> its lines and count; units with a count of zero are omitted. Cached per run
    object."""
    return _unit_lines(ById(run), boundary)


@lru_cache(maxsize=256)
def _unit_lines(key: ById[Run], boundary: Boundary) -> Mapping[str, UnitLines]:
    run = key.value
    lines = inside(run.tables["lines"], boundary)
    slots = run.tables["slots"]
    rounds = int((run.tables["rounds"]["stage"] == Stage.DEVELOPMENT.value).sum())
    serving = lines[lines["stage"] == Stage.APPLICATION.value]
    of_tokens, tokens = _of_tokens(run, serving)
    found = {
        "per_round_g": UnitLines(lines[lines["stage"] == Stage.DEVELOPMENT.value], rounds),
        "per_1000_answers_g": UnitLines(serving, float(slots["requests"].sum()) / PER_THOUSAND),
        "per_1000_tokens_g": UnitLines(of_tokens, tokens / PER_THOUSAND),
        "per_hour_g": UnitLines(lines, run.board_s / SECONDS_PER_HOUR),
    }
    return {name: one for name, one in found.items() if one.units > 0}


def _of_tokens(run: Run, lines: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Application ``lines`` with the part of their grams that services with tokens bear; and the tokens, input and
    generated. A node's lines are divided as the serving table divides its joules over services, shared lines by all
    joules."""
    table = serving_table(run)
    if table is None:
        return lines.iloc[:0], 0.0
    served = generating_rows(table)
    tokens = float(served["tokens_in"].sum() + served["tokens_out"].sum())
    keys = ["slot", "node_id"]
    energy_j = table.groupby(keys)["energy_j"].sum()
    part = (served.groupby(keys)["energy_j"].sum() / energy_j[energy_j > 0]).fillna(0.0)
    whole = float(served["energy_j"].sum()) / float(energy_j.sum()) if energy_j.sum() > 0 else 0.0
    own = part.reindex(pd.MultiIndex.from_frame(lines[keys]), fill_value=0.0).to_numpy()
    share = np.where(lines["node_id"].isin(HOLDERS), whole, own)
    return lines.assign(operational_g=lines["operational_g"] * share), tokens
