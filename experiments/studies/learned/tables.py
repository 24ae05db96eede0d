"""Tables of the study: every world, and policies over the worlds of a part with paired intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from scipy.special import stdtrit

from experiments.report.stats import CONFIDENCE_FRACTION, estimate
from experiments.studies.forecasts.shares import Share, share
from experiments.studies.learned.cells import POLICIES, WorldCell
from experiments.studies.verdict import Interval

ROUNDING = 1e-9
"""Of grams: what counts as equal."""


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
    worlds, 95 % intervals by Student's t), share of DETA's gain with its interval, and worlds worse than LOCAL."""
    rows = []
    for (part, nodes, policy), own in worlds.groupby(["part", "nodes", "policy"], sort=False):
        reduction = 1.0 - own["emissions_g"] / own["local_g"]
        regret = (own["emissions_g"] - own["bound_g"]) / own["local_g"]
        rows.append(
            {
                "part": part,
                "nodes": nodes,
                "policy": policy,
                "worlds": len(own),
                **columns_of_mean("reduction", reduction),
                **columns_of_mean("regret", regret),
                **share_of_deta(own).columns("of_deta"),
                "worse_worlds": int((own["emissions_g"] > (1.0 + ROUNDING) * own["local_g"]).sum()),
            }
        )
    return pd.DataFrame(rows)


def difference(worlds: pd.DataFrame, policy: str, other: str, part: str, nodes: int) -> Interval:
    """Mean over worlds of how much less ``policy`` emits than ``other``, as a share of LOCAL's grams, with its paired
    95 % interval; without its ends for one world."""
    own = worlds[(worlds["part"] == part) & (worlds["nodes"] == nodes)]
    by = own.pivot(index="number", columns="policy", values="emissions_g")
    local = own.drop_duplicates("number").set_index("number")["local_g"]
    found = estimate(((by[other] - by[policy]) / local).tolist())
    return found.mean, found.low, found.high


def of_deta(worlds: pd.DataFrame, policy: str, part: str, nodes: int) -> Share:
    """What ``policy`` saves against LOCAL over what DETA saves, sums over worlds, with its interval over them."""
    return share_of_deta(
        worlds[(worlds["part"] == part) & (worlds["nodes"] == nodes) & (worlds["policy"] == policy)]
    )


def share_of_deta(own: pd.DataFrame) -> Share:
    """What ``emissions_g`` save against ``local_g`` over what ``deta_g`` do, sums over rows, with its interval."""
    return share(own["local_g"] - own["emissions_g"], own["local_g"] - own["deta_g"])


def over(one: Share, other: Share) -> Share:
    """One share over another, of other worlds; no interval where one of them has none.

    Standard error: first-order Taylor expansion of a quotient of independent means. Degrees of freedom: Welch and
    Satterthwaite (F. E. Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics
    Bulletin 2, 1946)."""
    value, count = one.value / other.value, min(one.days, other.days)
    if one.low is None or other.low is None:
        return Share(value, None, None, count)
    level = 0.5 + CONFIDENCE_FRACTION / 2
    variances = [
        (scale * half / float(stdtrit(days - 1, level)) / other.value) ** 2
        for scale, half, days in (
            (1.0, one.value - one.low, one.days),
            (value, other.value - other.low, other.days),
        )
    ]
    total = sum(variances)
    if total == 0:
        return Share(value, value, value, count)
    degrees = total**2 / (variances[0] ** 2 / (one.days - 1) + variances[1] ** 2 / (other.days - 1))
    half = math.sqrt(total) * float(stdtrit(degrees, level))
    return Share(value, value - half, value + half, count)


def columns_of_mean(name: str, values: pd.Series) -> dict[str, float]:
    """Mean and 95 % interval by Student's t: ``NAME_fraction``, ``NAME_low`` and ``NAME_high``, NaN for one value."""
    found = estimate(values.tolist())
    ends = (math.nan, math.nan) if found.low is None or found.high is None else (found.low, found.high)
    return {f"{name}_fraction": found.mean, f"{name}_low": ends[0], f"{name}_high": ends[1]}
