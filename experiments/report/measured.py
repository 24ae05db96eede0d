"""Intervals of sums of metered lines. Only readings with an interval are in it; modelled lines have none."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from carbon_data.intervals import of_sensors, of_windows
from experiments.report import style, units
from experiments.report.read import Study

HALF_WIDTH = "half_width_j"
"""Column of the lines; runs of versions before have none."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A sum of metered lines with its 95 % interval."""

    amount: float
    half_width: float

    @property
    def text(self) -> str:
        """Joules, e.g. ``812 J ± 3.1 J``."""
        return f"{units.joules(self.amount)} ± {units.joules(self.half_width, 2)}"


def measured(lines: pd.DataFrame, column: str = "energy_j") -> Measured | None:
    """Sum of ``column`` (joules, or the grams of them) over the lines with an interval; None without such lines.

    Lines of a window err together, windows of a node as carbon_data.intervals says, and nodes independently.
    """
    if HALF_WIDTH not in lines or not (known := lines[HALF_WIDTH].notna()).any():
        return None
    own = lines[known]
    energy_j, amount = own["energy_j"].astype(float), own[column].astype(float)
    scale = (amount / energy_j).where(energy_j > 0, 0.0)
    widths = pd.DataFrame(
        {
            "half": own[HALF_WIDTH].astype(float) * scale,
            "bias": own["bias_j"].astype(float) * scale,
            "node_id": own["node_id"],
            "slot": own["slot"],
        }
    )
    windows = widths.groupby(["node_id", "slot"])[["half", "bias"]].sum()
    halves = [
        of_windows(windows.loc[node].itertuples(index=False, name=None))[0]
        for node in windows.index.unique("node_id")
    ]
    return Measured(float(amount.sum()), of_sensors(halves))


def total_text(study: Study) -> str:
    """Of the policy in focus, what was measured and how well; empty where nothing was."""
    run = study.any_run
    found = measured(run.tables["lines"])
    if found is None:
        return ""
    return (
        f"Measured under {style.policy_label(run.policy)}, seed {run.seed}: {found.text} (95 % by the meters' samples; "
        "calibration apart); the rest is modelled and has no such interval."
    )
