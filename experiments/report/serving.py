"""Serving results of a run: latency, tokens, joules and grams per token, by run, service and node.

TREE and EE of serving divide by the joules of the nodes' application lines and of what carried their users' bytes;
those of the testbed (measures.Totals) by all joules of the run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from coordinator.accounting.tree import Window, efficiency
from experiments.report.measures import ById, alpha_bits_per_token
from experiments.report.read import Run, Study
from protos import latency

OPTIONAL = frozenset(
    (
        "prefill_s decode_s prefill_j decode_j joules_per_token_in joules_per_token_decoded outside_worst_p95_s "
        "joules_per_token grams_per_1000_tokens"
    ).split()
)
"""Fields that runs of older versions, or of images, do not have."""
QUANTILES = (("latency_p50_s", 0.50), ("latency_p95_s", 0.95), ("latency_p99_s", 0.99))


@dataclass(frozen=True, slots=True)
class ServingTotals:
    """Requests answered in a run (or by a node in it). Ratios are of sums; None where there is no divisor."""

    requests: int
    outside_requests: int
    """Of these, asked by clients from outside: not in the latencies, which are in slot time."""
    outside_worst_p95_s: float | None
    """Wall time; the largest of the 95 % quantiles of a node's slots, which alone are kept. None without any."""
    unserved_requests: int
    deadline_misses: int
    tokens_in: int
    """Read by tasks that generate; a class is no token."""
    tokens_out: int
    """Generated."""
    bits: int
    tokens_in_per_s: float | None
    """Over the slots in which anything was served."""
    tokens_out_per_s: float | None
    latency_p50_s: float | None
    """From added-up counts: within 1 %."""
    latency_p95_s: float | None
    latency_p99_s: float | None
    prefill_s: float | None
    """Board time of passes over the input; None in runs of older versions."""
    decode_s: float | None
    prefill_j: float | None
    """Computation and static power of that time."""
    decode_j: float | None
    joules_per_token_in: float | None
    """Prefill of the services that generate, over tokens in; None for images, which have none."""
    joules_per_token_decoded: float | None
    """Decode over tokens out; None where nothing is generated token by token."""
    energy_j: float
    """Application lines of the nodes."""
    operational_g: float
    joules_per_request: float | None
    joules_per_token: float | None
    """Over input and generated tokens, like the next; joules and grams of the services that have tokens."""
    grams_per_1000_tokens: float | None
    tree_serving_bit_per_j: float | None
    """Over input and generated tokens. It and the next two divide by ``energy_j``."""
    tree_generated_serving_bit_per_j: float | None
    ee_serving_bit_per_j: float | None


_COUNTED = (
    "requests",
    "outside_requests",
    "unserved_requests",
    "deadline_misses",
    "tokens_in",
    "tokens_out",
    "bits",
)
_PHASES = ("prefill_s", "decode_s", "prefill_j", "decode_j")
_SUMMED = frozenset(
    {*_COUNTED, *_PHASES, "energy_j", "operational_g", "outside_latency_p95_s"}
    | {"slot", "node_id", "service", "latency_bins", "latency_counts"}
)
"""Columns that ServingTotals need."""


def serving_table(run: Run) -> pd.DataFrame | None:
    """Rows of the run in which requests came; None for a run without any (or of an older version)."""
    table = run.tables.get("serving")
    if table is None or not (table["requests"] + table["unserved_requests"]).sum():
        return None
    return table


@lru_cache(maxsize=64)
def _summed_table(key: ById[Run]) -> pd.DataFrame | None:
    """serving_table without the columns that would be copied for each node for nothing."""
    table = serving_table(key.value)
    return None if table is None else table[[name for name in table.columns if name in _SUMMED]]


def serving_totals(run: Run, node_id: str | None = None, service: str | None = None) -> ServingTotals | None:
    """Of a whole run, or of what one node answered, or of one service; None when it has no requests."""
    table = _summed_table(ById(run))
    if table is None:
        return None
    if node_id is not None:
        table = table[table["node_id"] == node_id]
    if service is not None:
        table = table[table["service"] == service]
    return _total(run, table)


def service_names(run: Run) -> list[str]:
    """Services that answered anything, in order of their names."""
    table = serving_table(run)
    return [] if table is None else sorted(str(name) for name in table["service"].dropna().unique())


def _total(run: Run, rows: pd.DataFrame) -> ServingTotals:
    sums = {name: int(rows[name].sum()) for name in _COUNTED}
    energy_j, grams = float(rows["energy_j"].sum()), float(rows["operational_g"].sum())
    duration_s = run.lasted_s(rows["slot"])
    counts = latency.add(
        dict(zip((int(k) for k in bins), (int(n) for n in counts), strict=True))
        for bins, counts in zip(rows["latency_bins"], rows["latency_counts"], strict=True)
    )
    alpha = alpha_bits_per_token(run)
    phases: dict[str, Any] = {name: _sum(rows, name) for name in _PHASES}
    window = Window(sums["bits"], sums["tokens_in"], sums["tokens_out"], energy_j)
    found = efficiency(window, alpha or 0.0)
    generating = generating_rows(rows)
    tokens = window.tokens
    quantiles: dict[str, Any] = {name: latency.quantile(counts, fraction) for name, fraction in QUANTILES}
    return ServingTotals(
        **sums,
        **quantiles,
        **phases,
        outside_worst_p95_s=_largest(rows, "outside_latency_p95_s"),
        joules_per_token_in=_per(_sum(generating, "prefill_j"), sums["tokens_in"]),
        joules_per_token_decoded=_per(_sum(generating, "decode_j"), sums["tokens_out"])
        if phases["decode_s"]
        else None,
        tokens_in_per_s=sums["tokens_in"] / duration_s if duration_s else None,
        tokens_out_per_s=sums["tokens_out"] / duration_s if duration_s else None,
        energy_j=energy_j,
        operational_g=grams,
        joules_per_request=_per(energy_j, sums["requests"]),
        joules_per_token=_per(float(generating["energy_j"].sum()), tokens),
        grams_per_1000_tokens=_per(1000.0 * float(generating["operational_g"].sum()), tokens),
        tree_serving_bit_per_j=None if alpha is None else found.tree_bit_per_j,
        tree_generated_serving_bit_per_j=None if alpha is None else found.tree_generated_bit_per_j,
        ee_serving_bit_per_j=found.ee_bit_per_j,
    )


def generating_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the services that read or generated any token: what classifies has no figure per token."""
    return rows[_generating(rows)]


def _generating(rows: pd.DataFrame) -> pd.Series:
    """Which rows these are."""
    any_token = (rows["tokens_in"].to_numpy() > 0) | (rows["tokens_out"].to_numpy() > 0)
    return rows["service"].isin(rows["service"][any_token].unique()) & rows["service"].notna()


def _sum(rows: pd.DataFrame, column: str) -> float | None:
    """None where the column is missing, or nothing is known in it."""
    if column not in rows or rows[column].isna().all():
        return None
    return float(rows[column].sum())


def _largest(rows: pd.DataFrame, column: str) -> float | None:
    if column not in rows or rows[column].isna().all():
        return None
    return float(rows[column].max())


def _per(amount: float | None, count: int) -> float | None:
    return amount / count if amount is not None and count else None


def as_json(totals: ServingTotals | None) -> dict[str, Any] | None:
    """Fields by name; None without requests."""
    return None if totals is None else {name: getattr(totals, name) for name in totals.__dataclass_fields__}


def serving_json(run: Run) -> dict[str, Any] | None:
    """ServingTotals of a run, and under ``services`` those of each of its services; None without requests."""
    whole = as_json(serving_totals(run))
    if whole is None:
        return None
    return {
        **whole,
        "services": {name: as_json(serving_totals(run, service=name)) for name in service_names(run)},
    }


def serving_frame(study: Study) -> pd.DataFrame:
    """One row per run and node (``node_id`` None: all of the run), with every field of ServingTotals; where a run has
    several services, one for each of them as well. Cached per study object: figure and table share it."""
    return _serving_frame(ById(study))


@lru_cache(maxsize=16)
def _serving_frame(key: ById[Study]) -> pd.DataFrame:
    study = key.value
    rows: list[dict[str, Any]] = []
    for run in study:
        services = service_names(run)
        parts: list[tuple[str | None, str | None]] = [(None, None)]
        parts += [(None, service) for service in services] if len(services) > 1 else []
        parts += [(node, None) for node in run.node_ids]
        for node, service in parts:
            found = as_json(serving_totals(run, node, service))
            if found is not None:
                place = {"policy": run.policy, "seed": run.seed, "node_id": node, "service": service}
                rows.append({**place, **found})
    frame = pd.DataFrame(rows)
    for name in OPTIONAL & set(frame.columns):  # None in every row must stay a number that is missing
        frame[name] = frame[name].astype(float)
    return frame
