"""Tables and ledgers of runs on boards beside each other: which rows differ, which are lost, which gaps are silent."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from pathlib import Path

import pandas as pd

from coordinator.ledger.entry import Kind
from coordinator.ledger.store import open_read_only

TABLES = ("slots", "lines", "batch_flows", "energy_flows", "serving")
"""With joules and batches, by slot and node."""
DECISIONS = "decisions"
EPOCH = "epoch"
"""Column of the decisions that starts of the coordinator change, and nothing else does."""


def table(folder: Path, name: str) -> pd.DataFrame:
    """A table of a run, without what differs between equal runs."""
    return pd.read_parquet(folder / f"{name}.parquet").drop(columns=EPOCH, errors="ignore")


def rows_unlike(
    ours: Path, theirs: Path, names: Iterable[str] = (*TABLES, DECISIONS), but_for: Collection[int] = ()
) -> int:
    """Rows of two runs that one of them has and the other has not, slots ``but_for`` left out."""
    return sum(_unlike(table(ours, name), table(theirs, name), but_for) for name in names)


def _unlike(ours: pd.DataFrame, theirs: pd.DataFrame, but_for: Collection[int]) -> int:
    both = []
    for frame in (ours, theirs):
        # As texts, so that a null equals a null; a number's text is exact.
        kept = frame[~frame["slot"].isin(list(but_for))].map(repr)
        both.append(kept.assign(nth=kept.groupby(list(kept.columns)).cumcount()))
    merged = both[0].merge(both[1], how="outer", indicator=True)
    return int((merged["_merge"] != "both").sum())


def joules_unlike(ours: Path, theirs: Path) -> int:
    """Rows that differ in a column of joules or batches."""
    count = 0
    for name in TABLES:
        mine, other = table(ours, name), table(theirs, name)
        columns = [column for column in mine.columns if column.endswith(("_uj", "_j", "batches"))]
        count += _unlike(mine[["slot", *columns]], other[["slot", *columns]], ())
    return count


def moved_between_nodes(folder: Path) -> int:
    """Batches that another node executed."""
    flows = table(folder, "batch_flows")
    return int(flows.loc[flows["owner"] != flows["executor"], "batches"].sum())


def unserved(folder: Path) -> int:
    return int(table(folder, "slots")["unserved_batches"].sum())


def rows_of(ledger: Path) -> set[tuple[str, str]]:
    """Key and digest of every row that is on disk; what a node knows as acknowledged is among them."""
    return {(key, digest) for key, digest in _asked(ledger, "SELECT key, digest FROM entries")}


def last_slot(ledger: Path, kind: Kind, node_id: str | None = None) -> int:
    """Of the rows of a kind, and of a node; -1: there is none."""
    chosen, values = ("", ()) if node_id is None else (" AND node_id = ?", (node_id,))
    ((slot,),) = _asked(
        ledger, f"SELECT max(slot) FROM entries WHERE kind = ?{chosen}", (kind.value, *values)
    )
    return -1 if slot is None else int(slot)


def _asked(ledger: Path, question: str, values: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    connection, _ = open_read_only(ledger)
    with contextlib.closing(connection):
        found: list[tuple[str, ...]] = connection.execute(question, values).fetchall()
        return found


def silent_gaps(slots: pd.DataFrame, ledger: Path) -> int:
    """Slots of nodes, among the slots that were ended, that have no reading and do not say so; or have one in time
    and are called a gap, or are missing from the table. A reading that came after its slot's end is booked beside the
    gap, and says so: it is ``late``."""
    ended = {
        int(slot)
        for (slot,) in _asked(ledger, f"SELECT slot FROM entries WHERE kind = '{Kind.SLOT_END.value}'")
    }
    gaps = {
        (int(slot), node)
        for slot, node in _asked(ledger, f"SELECT slot, node_id FROM entries WHERE kind = '{Kind.GAP.value}'")
    }
    rows = slots[slots["slot"].isin(list(ended))]
    gap = pd.Series(
        [pair in gaps for pair in zip(rows["slot"], rows["node_id"], strict=True)], index=rows.index
    )
    late = rows["late"].fillna(False).astype(bool)
    said = (~rows["alive"].astype(bool) | gap) & ~late
    metered = rows["metered"].astype(bool)
    wrong = int((metered == said).sum() + (metered == rows["demand_j"].isna()).sum())
    return wrong + len(ended) * slots["node_id"].nunique() - len(rows)
