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

FIGURES = ("accuracy", "personal_accuracy", "energy_j", "emissions_g", "sent_bytes")


def runs_of(cells: Sequence[KindCell], found: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each run."""
    rows = [
        {"kind": c.kind, "seed": c.seed, "rounds": c.rounds, **one}
        for c, one in zip(cells, found, strict=True)
    ]
    return pd.DataFrame(rows)


def kinds_of(runs: pd.DataFrame) -> pd.DataFrame:
    """By kind: means over seeds, and the paired difference from the kind's baseline with its 95 % interval (in points
    of accuracy; of joules, grams and bytes as a share of the baseline's)."""
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
            mean, low, high = difference(runs, str(kind), KINDS[str(kind)].baseline, name)
            row |= {f"{name}_more": mean, f"{name}_more_low": low, f"{name}_more_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def difference(
    runs: pd.DataFrame, kind: str, other: str, name: str
) -> tuple[float | None, float | None, float | None]:
    """Mean over seeds of how much more ``kind`` has than ``other``, with its 95 % interval by Student's t (None with
    one seed); accuracies as they are, other figures as a share of the other's. None where one has no such figure."""
    by = runs.pivot(index="seed", columns="kind", values=name).astype(float)
    if kind not in by or other not in by:
        return None, None, None
    values = by[kind] - by[other]
    if not name.endswith("accuracy"):
        values = values / by[other]
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
