"""Tables of the study: every world, and policies over the worlds of a part with paired intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from experiments.studies.learned.cells import POLICIES, WorldCell


def worlds_of(cells: Sequence[WorldCell], found: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each world and policy."""
    rows = []
    for cell, one in zip(cells, found, strict=True):
        for policy in POLICIES:
            rows.append(
                {
                    "part": cell.part,
                    "number": cell.number,
                    "nodes": cell.nodes,
                    "day": one["day"],
                    "zones": " ".join(one["zones"]),
                    "policy": policy,
                    "emissions_g": one["emissions_g"][policy],
                    "local_g": one["emissions_g"]["local"],
                    "deta_g": one["emissions_g"]["deta"],
                    "bound_g": one["bound_g"],
                }
            )
    return pd.DataFrame(rows)


def policies_of(worlds: pd.DataFrame) -> pd.DataFrame:
    """By part, number of nodes and policy: reduction against LOCAL and regret as shares of LOCAL's grams (means over
    worlds, 95 % intervals by Student's t), share of DETA's gain, and worlds worse than LOCAL."""
    rows = []
    for (part, nodes, policy), own in worlds.groupby(["part", "nodes", "policy"], sort=False):
        reduction = 1.0 - own["emissions_g"] / own["local_g"]
        regret = (own["emissions_g"] - own["bound_g"]) / own["local_g"]
        gain, deta = own["local_g"] - own["emissions_g"], own["local_g"] - own["deta_g"]
        rows.append(
            {
                "part": part,
                "nodes": nodes,
                "policy": policy,
                "worlds": len(own),
                **_mean("reduction", reduction),
                **_mean("regret", regret),
                "of_deta_fraction": float(gain.sum() / deta.sum()),
                "worse_worlds": int((own["emissions_g"] > 1.001 * own["local_g"]).sum()),
            }
        )
    return pd.DataFrame(rows)


def difference(
    worlds: pd.DataFrame, policy: str, other: str, part: str, nodes: int
) -> tuple[float, float, float]:
    """Mean over worlds of how much less ``policy`` emits than ``other``, as a share of LOCAL's grams, with its paired
    95 % interval (ends equal the mean for one world)."""
    own = worlds[(worlds["part"] == part) & (worlds["nodes"] == nodes)]
    by = own.pivot(index="number", columns="policy", values="emissions_g")
    local = own.drop_duplicates("number").set_index("number")["local_g"]
    found = _mean("x", (by[other] - by[policy]) / local)
    return found["x_fraction"], found["x_low"], found["x_high"]


def _mean(name: str, values: pd.Series) -> dict[str, float]:
    mean, count = float(values.mean()), len(values)
    half = 0.0
    if count > 1:
        half = float(stats.t.ppf(0.975, count - 1) * np.std(values, ddof=1) / math.sqrt(count))
    return {f"{name}_fraction": mean, f"{name}_low": mean - half, f"{name}_high": mean + half}
