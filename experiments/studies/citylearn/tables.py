"""Tables of the study: cases beside their independent twins, policies beside their bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from experiments.studies.citylearn.cells import CASES, BoundCell, CaseCell, RollingCell
from experiments.studies.forecasts.shares import share

Span = tuple[int, int]


def case_table(cells: Sequence[CaseCell], results: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row for each case and span of hours: grams of the testbed and of the independent program, houses summed."""
    rows = [
        {
            "case": cell.case,
            "begin_hour": cell.begin,
            "end_hour": cell.end,
            "emissions_g": result["ours_g"],
            "independent_g": result["independent_g"],
        }
        for cell, result in zip(cells, results, strict=True)
    ]
    table = pd.DataFrame(rows).groupby(["case", "begin_hour", "end_hour"], sort=False).sum().reset_index()
    table["difference_fraction"] = (table["emissions_g"] / table["independent_g"] - 1.0).abs()
    return table


def relative_table(spans: pd.DataFrame, bases: Mapping[Span, float]) -> pd.DataFrame:
    """One row a case: grams summed over its spans, and over those without batteries in the same hours.

    ``bases``: grams without batteries by begin and end."""
    rows = []
    for case, says in CASES.items():
        own = spans[spans["case"] == case]
        base_g = sum(bases[int(b), int(e)] for b, e in zip(own["begin_hour"], own["end_hour"], strict=True))
        rows.append(
            {
                "case": case,
                "says": says,
                "hours": int((own["end_hour"] - own["begin_hour"]).sum()),
                "emissions_g": float(own["emissions_g"].sum()),
                "independent_g": float(own["independent_g"].sum()),
                "difference_fraction": float(own["difference_fraction"].max()),
                "relative_fraction": float(own["emissions_g"].sum()) / base_g,
            }
        )
    return pd.DataFrame(rows)


def week_table(
    rolling: Sequence[RollingCell],
    rolled: Sequence[Mapping[str, Any]],
    bounds: Sequence[BoundCell],
    bounded: Sequence[Mapping[str, Any]],
) -> pd.DataFrame:
    """One row for each policy and week; LOCAL, which plans nothing, has no bound of its own (NaN)."""
    least = {
        (cell.policy, cell.servers, cell.begin): result["bound_g"]
        for cell, result in zip(bounds, bounded, strict=True)
    }
    return pd.DataFrame(
        [
            {
                "policy": cell.policy,
                "knowledge": cell.knowledge,
                "servers": cell.servers,
                "begin_hour": cell.begin,
                "emissions_g": result["emissions_g"],
                "bound_g": least.get((cell.policy, cell.servers, cell.begin), float("nan")),
                "sent_j": result["sent_j"],
                "moved_batches": result["moved_batches"],
            }
            for cell, result in zip(rolling, rolled, strict=True)
        ]
    )


def policy_table(weeks: pd.DataFrame) -> pd.DataFrame:
    """One row for each policy: grams over LOCAL's, regret, and share of the possible gain over LOCAL that it has.

    Sums over weeks with 95 % intervals over the same weeks."""
    rows = []
    for (policy, knowledge, servers), own in weeks.groupby(["policy", "knowledge", "servers"], sort=False):
        local = weeks[(weeks["policy"] == "local") & (weeks["servers"] == servers)]
        local_g = local.set_index("begin_hour")["emissions_g"].sort_index()
        own = own.set_index("begin_hour").sort_index()
        row: dict[str, Any] = {
            "policy": policy,
            "knowledge": knowledge,
            "servers": servers,
            "world": "houses with servers" if servers else "houses",
            "weeks": len(own),
            "emissions_g": float(own["emissions_g"].sum()),
            "sent_j": float(own["sent_j"].sum()),
            "moved_batches": int(own["moved_batches"].sum()),
            "worse_weeks": int((own["emissions_g"] > local_g * (1 + 1e-9)).sum()),
            **share(local_g - own["emissions_g"], local_g).columns("reduction"),
        }
        if policy != "local":
            row["bound_g"] = float(own["bound_g"].sum())
            row |= share(own["emissions_g"] - own["bound_g"], own["bound_g"]).columns("regret")
            row |= share(local_g - own["emissions_g"], local_g - own["bound_g"]).columns("captured")
        rows.append(row)
    return pd.DataFrame(rows)
