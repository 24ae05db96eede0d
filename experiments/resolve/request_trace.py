"""Traces of requests: arrival times, and of language models the tokens of each request."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from carbon_data.sources.table import Table, read_table
from experiments.errors import UsageError

AZURE = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
"""Columns of the traces of Azure's language models, 2023 and 2024 (github.com/Azure/AzurePublicDataset)."""
MOST_TOKENS = 1_000_000_000
"""Of a prompt or an answer (choice): far above every model's context."""
OURS = ("arrival_s", "tokens_in", "tokens_out")


@dataclass(frozen=True, slots=True)
class Requests:
    """Of one node."""

    times_s: tuple[float, ...]
    """Ascending, seconds from the first application slot."""
    lengths: tuple[tuple[int, int], ...] = ()
    """(prompt, answer) tokens of each; empty: the trace does not say."""


def read_requests(
    path: Path, names: Sequence[str], *, per_s: float | None, tokens_fraction: float
) -> list[Requests]:
    """Requests of every node from a trace.

    ``per_s``: times are stretched so that a node gets so many requests a second on average; None: as they are.
    ``tokens_fraction``: lengths are multiplied by it; each has at least one token. Requests with a node_id are that
    node's; without, they go to the nodes in turn where the trace has tokens, and to every node where it has none.

    Raises UsageError for a table that is no trace, DataError for one that cannot be read.
    """
    table = read_table(path)
    times, lengths = _times(path, table), _lengths(path, table, tokens_fraction)
    order = np.argsort(times, kind="stable")
    owners = _owners(path, table, names, lengths is not None)
    if per_s is not None:
        times = _stretched(path, times, per_s, len(names) if owners is not None else 1)
    found = []
    for place in range(len(names)):
        own = order if owners is None else order[owners[order] == place]
        pairs = () if lengths is None else tuple(map(tuple, lengths[own].tolist()))
        found.append(Requests(tuple(times[own].tolist()), pairs))
    return found


def within(requests: Requests, end_s: float) -> Requests:
    """Those that come before ``end_s``."""
    count = int(np.searchsorted(requests.times_s, end_s))
    return Requests(requests.times_s[:count], requests.lengths[:count])


def outside(traces: Sequence[Sequence[float]], end_s: float) -> tuple[int, int, str]:
    """Arrivals from ``end_s`` on, all arrivals, and whose they are, in words; ``traces``: ascending times of every
    node. Where every node gets the same ones, they are counted once, as they are written."""
    same = len(traces) > 1 and all(times == traces[0] for times in traces)
    counted = traces[:1] if same else traces
    late = sum(len(times) - bisect_left(times, end_s) for times in counted)
    return late, sum(map(len, counted)), " of each node" if same else ""


def _times(path: Path, table: Table) -> NDArray[np.float64]:
    if AZURE[0] in table.columns:
        try:
            # A whole second has no fraction in the traces of 2024.
            stamps = pd.to_datetime(table.frame[AZURE[0]], utc=True, format="ISO8601")
        except (ValueError, TypeError) as error:
            raise UsageError(f"{path}: {AZURE[0]} holds something that is no time: {error}") from error
        if stamps.isna().any():
            row = int(stamps.isna().to_numpy().argmax())
            raise UsageError(
                f"{path}: {AZURE[0]} is empty in row {row}; give every request its time, or remove the row"
            )
        return np.asarray((stamps - stamps.min()).dt.total_seconds(), dtype=float)
    if OURS[0] not in table.columns:
        raise UsageError(
            f"{path} has no column arrival_s; it has {', '.join(table.columns)}: call the column of arrival times, in "
            "seconds of slot time from the first application slot, arrival_s"
        )
    times = table.numbers(OURS[0])
    if not (np.isfinite(times) & (times >= 0)).all():
        raise UsageError(f"{path}: arrival_s holds something that is no time >= 0")
    return times


def _lengths(path: Path, table: Table, fraction: float) -> NDArray[np.int64] | None:
    names = AZURE[1:] if AZURE[0] in table.columns else OURS[1:]
    have = [name for name in names if name in table.columns]
    if not have:
        return None
    if len(have) < len(names):
        raise UsageError(
            f"{path} has {have[0]} and lacks {(set(names) - set(have)).pop()}; give both or neither"
        )
    counts = np.stack([table.numbers(name) for name in names], axis=1)
    if not (np.isfinite(counts) & (counts >= 0) & (counts <= MOST_TOKENS)).all():
        raise UsageError(
            f"{path}: {' or '.join(names)} holds something that is no count from 0 to {MOST_TOKENS:,}"
        )
    return np.maximum(1, np.rint(counts * fraction)).astype(np.int64)


def _owners(path: Path, table: Table, names: Sequence[str], in_turn: bool) -> NDArray[np.int64] | None:
    """(requests,) place of each one's node; None: every node gets all of them."""
    if "node_id" not in table.columns:
        return np.arange(len(table.frame)) % len(names) if in_turn else None
    owners = table.frame["node_id"].astype(str).to_numpy()
    if strangers := sorted(set(owners) - set(names)):
        raise UsageError(f"{path}: node_id names {strangers[:5]}; nodes are {', '.join(names[:20])}")
    place = {name: k for k, name in enumerate(names)}
    return np.array([place[owner] for owner in owners], dtype=np.int64)


def _stretched(path: Path, times: NDArray[np.float64], per_s: float, nodes: int) -> NDArray[np.float64]:
    if per_s <= 0 or len(times) < 2 or times.max() <= times.min():
        raise UsageError(
            f"{path}: {len(times)} requests cannot be stretched to {per_s:g} a second; give requests_per_s > 0 and a "
            "trace of at least two times"
        )
    begun = times - times.min()
    return begun * (len(times) / nodes / per_s) / begun.max()
