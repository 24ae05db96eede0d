"""Tables of the study: every run, and kinds over seeds with intervals, paired with their baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from experiments.studies.kinds.cells import KindCell
from experiments.studies.kinds.kinds import KINDS

FIGURES = ("accuracy", "personal_accuracy", "energy_j", "emissions_g", "sent_bytes", "slot_s", "static_j")

Difference = tuple[float | None, float | None, float | None]
"""Mean and ends of its 95 % interval."""


def runs_of(cells: Sequence[KindCell], found: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each run."""
    rows = [
        {"kind": c.kind, "seed": c.seed, "rounds": c.rounds, **one}
        for c, one in zip(cells, found, strict=True)
    ]
    return pd.DataFrame(rows)


def kinds_of(runs: pd.DataFrame) -> pd.DataFrame:
    """By kind: means over seeds, and the paired difference from the kind's baseline with its 95 % interval (in points
    of accuracy; of joules, grams, bytes and seconds as a share of the baseline's). ``static_g_more``: grams of static
    power more than the baseline's, as a share of all of the baseline's grams, a part of ``emissions_g_more``."""
    rows = []
    for kind, own in runs.groupby("kind", sort=False):
        row: dict[str, Any] = {
            "kind": kind,
            "title": KINDS[str(kind)].title,
            "baseline": KINDS[str(kind)].baseline,
            "seeds": len(own),
            "epsilon": _mean(own["epsilon"]),
            "delta": _mean(own["delta"]),
        }
        for name in FIGURES:
            row[name] = _mean(own[name])
            row |= _columns(name, difference(runs, str(kind), KINDS[str(kind)].baseline, name))
        row |= _columns("static_g", static_part(runs, str(kind), KINDS[str(kind)].baseline))
        rows.append(row)
    return pd.DataFrame(rows)


def difference(runs: pd.DataFrame, kind: str, other: str, name: str) -> Difference:
    """Mean over seeds of how much more ``kind`` has than ``other``, with its 95 % interval by Student's t (None with
    one seed); accuracies as they are, other figures as a share of the other's. None where one has no such figure."""
    by = runs.pivot(index="seed", columns="kind", values=name).astype(float)
    if kind not in by or other not in by:
        return None, None, None
    values = by[kind] - by[other]
    return _over_seeds(values if name.endswith("accuracy") else values / by[other])


def static_part(runs: pd.DataFrame, kind: str, other: str) -> Difference:
    """As ``difference``: grams of static power more than the other's, as a share of all of the other's grams."""
    static = runs.pivot(index="seed", columns="kind", values="static_g").astype(float)
    if kind not in static or other not in static:
        return None, None, None
    whole = runs[runs["kind"] == other].set_index("seed")["emissions_g"]
    return _over_seeds((static[kind] - static[other]) / whole)


def _columns(name: str, found: Difference) -> dict[str, float | None]:
    return dict(zip((f"{name}_more", f"{name}_more_low", f"{name}_more_high"), found, strict=True))


def _over_seeds(values: pd.Series) -> Difference:
    values = values.dropna()
    if values.empty:
        return None, None, None
    mean = float(values.mean())
    if len(values) < 2:
        return mean, None, None
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return mean, mean - half, mean + half


def _mean(values: pd.Series) -> float | None:
    known = values.dropna()
    return None if known.empty else float(known.astype(float).mean())
