"""What a long run without learning adds up to: its Parquet tables read part by part, in bounded memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from experiments.report.unselected import COLUMNS, unselected_batches
from experiments.run_folder.files import METADATA, table_file

ENERGIES = ("demand_j", "grid_j", "green_j", "harvest_j", "export_j", "import_j", "curtailed_j")
ROWS = 200_000
"""Rows of a table in memory at a time."""


@dataclass(frozen=True)
class Simulated:
    """Sums over a run. Frames have the columns ENERGIES and ``operational_g``, of the nodes."""

    metadata: dict[str, Any]
    nodes: int
    slots: pd.DataFrame
    """By slot, with its ``time``."""
    zones: pd.DataFrame
    """By zone."""
    months: pd.DataFrame
    """By month (``2022-06``), and ``shared_g``: network, coordinator and router."""
    exchange: pd.DataFrame
    """By zone of donor or owner and of recipient or executor: ``sent_j``, ``received_j``, ``batches``."""
    unserved_batches: int
    unselected_batches: int
    """Not asked for (experiments.report.unselected)."""
    released_batches: int
    statuses: dict[str, int] = field(default_factory=dict)
    """Slots by how they were decided."""

    @property
    def total(self) -> pd.Series:
        """Sums over the whole run."""
        return self.zones[[*ENERGIES, "operational_g"]].sum()

    @property
    def shared_g(self) -> float:
        return float(self.months["shared_g"].sum())


def simulated(folder: Path) -> Simulated:
    """Add up the tables of a run folder."""
    metadata = json.loads((folder / METADATA).read_text(encoding="utf-8"))
    zone_of: dict[str, str] = {}
    by_slot, by_zone = _Sums(), _Sums()
    released = unserved = 0
    wanted = [
        *("slot", "time", "node_id", "zone"),
        *ENERGIES,
        "operational_g",
        "released_batches",
        "unserved_batches",
    ]
    for part in _parts(folder, "slots", wanted):
        zone_of.update(zip(part["node_id"], part["zone"], strict=True))
        by_slot.add(part, ["slot", "time"])
        by_zone.add(part, ["zone"])
        released += int(part["released_batches"].sum())
        unserved += int(part["unserved_batches"].sum())
    slots = by_slot.frame(["slot", "time"])
    month_of = dict(zip(slots["slot"], slots["time"].dt.strftime("%Y-%m"), strict=True))
    months = slots.drop(columns=["slot", "time"]).groupby(slots["time"].dt.strftime("%Y-%m")).sum()
    months.index.name = "month"
    months["shared_g"] = _shared(folder, set(zone_of), month_of).reindex(months.index).fillna(0.0)
    decisions = pq.read_table(folder / table_file("decisions"), columns=["status"]).to_pandas()
    return Simulated(
        metadata=metadata,
        nodes=len(zone_of),
        slots=slots,
        zones=by_zone.frame(["zone"]).set_index("zone"),
        months=months,
        exchange=_exchange(folder, zone_of),
        unserved_batches=unserved,
        unselected_batches=unselected_batches(_parts(folder, "slots", list(COLUMNS))),
        released_batches=released,
        statuses={
            str(k): int(v) for k, v in decisions["status"].str.split(":").str[0].value_counts().items()
        },
    )


class _Sums:
    """Sums of ENERGIES and grams by key, part after part."""

    def __init__(self) -> None:
        self._found: pd.DataFrame | None = None

    def add(self, part: pd.DataFrame, keys: Sequence[str]) -> None:
        own = part.groupby(list(keys))[[*ENERGIES, "operational_g"]].sum().astype(np.float64)
        self._found = own if self._found is None else self._found.add(own, fill_value=0.0)

    def frame(self, keys: Sequence[str]) -> pd.DataFrame:
        assert self._found is not None  # a run has a slot
        return self._found.sort_values(list(keys)).reset_index()


def _parts(folder: Path, name: str, columns: list[str]) -> Iterator[pd.DataFrame]:
    with pq.ParquetFile((folder / table_file(name)).absolute()) as file:
        for batch in file.iter_batches(ROWS, columns=columns):
            yield batch.to_pandas()


def _shared(folder: Path, nodes: set[str], month_of: dict[int, str]) -> pd.Series:
    """Grams by month of what belongs to no node."""
    found: dict[str, float] = {}
    for part in _parts(folder, "lines", ["slot", "node_id", "operational_g"]):
        own = part[~part["node_id"].isin(nodes)]
        for month, grams in own.groupby(own["slot"].map(month_of))["operational_g"].sum().items():
            found[str(month)] = found.get(str(month), 0.0) + float(grams)
    return pd.Series(found, dtype=np.float64)


def _exchange(folder: Path, zone_of: dict[str, str]) -> pd.DataFrame:
    found: dict[tuple[str, str], dict[str, float]] = {}
    for name, ends, amounts in (
        ("energy_flows", ["donor", "recipient"], ["sent_j", "received_j"]),
        ("batch_flows", ["owner", "executor"], ["batches"]),
    ):
        for part in _parts(folder, name, [*ends, *amounts]):
            keys = [part[end].map(zone_of) for end in ends]
            for pair, row in part[amounts].astype(float).groupby(keys).sum().iterrows():
                assert isinstance(pair, tuple)
                own = found.setdefault(
                    (str(pair[0]), str(pair[1])), dict.fromkeys(("sent_j", "received_j", "batches"), 0.0)
                )
                for amount in amounts:
                    own[amount] += float(row[amount])
    rows = [{"from": one, "to": other, **sums} for (one, other), sums in sorted(found.items())]
    return pd.DataFrame(rows, columns=["from", "to", "sent_j", "received_j", "batches"])
