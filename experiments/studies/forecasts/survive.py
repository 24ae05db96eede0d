"""What share of DETA's gain over LOCAL survives a regime of knowledge: by regime, age of the issue, and zone.

The share is (LOCAL - DETA under the regime) / (LOCAL - DETA that knows the future), grams summed over days.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd

from experiments.studies.forecasts.cells import KnowledgeCell
from experiments.studies.forecasts.days import BY_NAME, ISSUED, PERFECT
from experiments.studies.forecasts.shares import Share, share

LOCAL = "local"
OWN_GAIN = 0.01
"""Share of the fleet's gain below which a node's own is too small to be shared (choice)."""
NO_GAIN = dict.fromkeys(("surviving_fraction", "surviving_low", "surviving_high"), math.nan)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of the study is computed."""

    days: int
    regimes: dict[int, tuple[str, ...]]
    """By deadline, without ``perfect`` and LOCAL, which are always there."""


FULL = Extent(
    10,
    {
        0: ("issued", "persistence", "gaussian", "issued-all", "issued-48h"),
        6: ("issued", "persistence"),
    },
)
QUICK = replace(FULL, days=3)


def cells(extent: Extent, days: Sequence[datetime], zones: tuple[str, ...]) -> list[KnowledgeCell]:
    """All cells of an extent."""
    found = []
    for q, names in extent.regimes.items():
        for day in days:
            found.append(KnowledgeCell(day, zones, q, PERFECT, LOCAL))
            found += [KnowledgeCell(day, zones, q, BY_NAME[name]) for name in (PERFECT.name, *names)]
    return found


def table_of(done: Sequence[KnowledgeCell], results: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row a cell: day, deadline_slots, regime (LOCAL's is ``local``), grams, and a column of grams a zone."""
    rows = []
    for cell, result in zip(done, results, strict=True):
        rows.append(
            {
                "day": cell.start.date().isoformat(),
                "deadline_slots": cell.deadline_slots,
                "regime": LOCAL if cell.policy == LOCAL else cell.regime.name,
                "emissions_g": result["emissions_g"],
                "network_g": result["network_g"],
                "harvest_to_demand": result["harvest_to_demand"],
                **{f"{zone}_g": grams for zone, grams in result["by_zone_g"].items()},
            }
        )
    return pd.DataFrame(rows)


def _of(table: pd.DataFrame, q: int, regime: str, column: str = "emissions_g") -> pd.Series:
    own = table[(table["deadline_slots"] == q) & (table["regime"] == regime)]
    return own.set_index("day")[column].sort_index()


def surviving(table: pd.DataFrame, q: int, regime: str) -> Share:
    """Share of DETA's gain over LOCAL that survives ``regime``."""
    local, perfect = _of(table, q, LOCAL), _of(table, q, PERFECT.name)
    known = _of(table, q, regime)
    return share((local - known), (local - perfect))


def by_regime(table: pd.DataFrame) -> pd.DataFrame:
    """Share that survives, DETA's reduction against LOCAL, and days on which DETA emits less than LOCAL."""
    rows = []
    for q in sorted(set(table["deadline_slots"])):
        own = table[table["deadline_slots"] == q]
        for regime in (name for name in BY_NAME if name in set(own["regime"])):
            local, known = _of(table, q, LOCAL), _of(table, q, regime)
            kept = surviving(table, q, regime)
            less = share((local - known), local)
            rows.append(
                {
                    "deadline_slots": q,
                    "regime": regime,
                    "says": BY_NAME[regime].says,
                    **kept.columns("surviving"),
                    **less.columns("reduction"),
                    "worse_days": int((known > local).sum()),
                    "days": kept.days,
                }
            )
    return pd.DataFrame(rows)


def difference(table: pd.DataFrame, q: int, one: str, other: str) -> Share:
    """Share of the gain that ``one`` keeps more than ``other``, paired by day."""
    local, perfect = _of(table, q, LOCAL), _of(table, q, PERFECT.name)
    return share((_of(table, q, other) - _of(table, q, one)), (local - perfect))


def by_zone(table: pd.DataFrame, zones: Sequence[str]) -> pd.DataFrame:
    """Where grams are saved and lost: each node's under LOCAL, with the future known, and with issued forecasts.

    ``surviving``: share of the node's own gain that survives, for nodes with at least OWN_GAIN of the fleet's gain
    (NaN: clean zones take work on and gain next to nothing themselves). ``lost``: what the node emits more with issued
    forecasts, as a share of the fleet's gain."""
    rows = []
    for q in sorted(set(table["deadline_slots"])):
        gain = _of(table, q, LOCAL) - _of(table, q, PERFECT.name)
        for zone in zones:
            column = f"{zone}_g"
            local = _of(table, q, LOCAL, column)
            perfect = _of(table, q, PERFECT.name, column)
            issued = _of(table, q, ISSUED.name, column)
            gains = float((local - perfect).sum()) >= OWN_GAIN * float(gain.sum())
            kept = share(local - issued, local - perfect).columns("surviving") if gains else NO_GAIN
            rows.append(
                {
                    "deadline_slots": q,
                    "zone": zone,
                    "local_g": float(local.sum()),
                    "perfect_g": float(perfect.sum()),
                    "issued_g": float(issued.sum()),
                    **kept,
                    **share(issued - perfect, gain).columns("lost"),
                }
            )
    return pd.DataFrame(rows)
