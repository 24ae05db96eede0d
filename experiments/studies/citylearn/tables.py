"""Tables of the study: cases beside their independent twins, policies beside their bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from experiments.studies.citylearn.cells import CASES, BoundCell, CaseCell, RollingCell
from experiments.studies.citylearn.plan import first_day
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
    """One row for each policy and week: grams, LOCAL's in the same world, those of the optimum with foresight, and what
    follows; LOCAL, which plans nothing, has no bound of its own (NaN)."""
    least = {
        (cell.policy, cell.servers, cell.begin): result["bound_g"]
        for cell, result in zip(bounds, bounded, strict=True)
    }
    local = {
        (cell.servers, cell.begin): result["emissions_g"]
        for cell, result in zip(rolling, rolled, strict=True)
        if cell.policy == "local"
    }
    table = pd.DataFrame(
        [
            {
                "policy": cell.policy,
                "knowledge": cell.knowledge,
                "servers": cell.servers,
                "world": world_name(cell.servers),
                "begin_hour": cell.begin,
                "first_day": first_day(cell.begin),
                "emissions_g": result["emissions_g"],
                "local_g": local[cell.servers, cell.begin],
                "bound_g": least.get((cell.policy, cell.servers, cell.begin), float("nan")),
                "sent_j": result["sent_j"],
                "moved_batches": result["moved_batches"],
            }
            for cell, result in zip(rolling, rolled, strict=True)
        ]
    )
    table["reduction_fraction"] = 1.0 - table["emissions_g"] / table["local_g"]
    table["regret_fraction"] = table["emissions_g"] / table["bound_g"] - 1.0
    gain_g = table["local_g"] - table["bound_g"]
    table["captured_fraction"] = (table["local_g"] - table["emissions_g"]) / gain_g.where(gain_g > 0)
    return table


def world_name(servers: bool) -> str:
    """In words."""
    return "houses with servers" if servers else "houses"


def policy_table(weeks: pd.DataFrame) -> pd.DataFrame:
    """One row for each policy: grams over LOCAL's, regret, and share of the possible gain over LOCAL that it has.

    Sums over weeks with 95 % intervals over the same weeks, and the least and most regret of a week."""
    rows = []
    for (policy, knowledge, servers), own in weeks.groupby(["policy", "knowledge", "servers"], sort=False):
        local = weeks[(weeks["policy"] == "local") & (weeks["servers"] == servers)]
        local_g = local.set_index("begin_hour")["emissions_g"].sort_index()
        own = own.set_index("begin_hour").sort_index()
        row: dict[str, Any] = {
            "policy": policy,
            "knowledge": knowledge,
            "servers": servers,
            "world": world_name(bool(servers)),
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
            row["regret_least"] = float(own["regret_fraction"].min())
            row["regret_most"] = float(own["regret_fraction"].max())
            row |= share(local_g - own["emissions_g"], local_g - own["bound_g"]).columns("captured")
        rows.append(row)
    return pd.DataFrame(rows)
