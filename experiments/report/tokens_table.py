"""The table of tokens: what requests to a language model took, by policy and by the node that answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from experiments.report import style, units
from experiments.report.ratio import ratio
from experiments.report.read import Run, Study
from experiments.report.tables import Column, Table

ALL = "all nodes"
SUMS = ("tokens_cached", "tokens_prefilled", "tokens_decoded", "tokens_out", "wasted_j", "operational_g")
PHASES = {"prefilled": "prefill_j", "decoded": "decode_j"}
BITS_PER_BYTE = 8


OTHER = (Column("other_wasted_j", "other waste", units.joules),)
"""Where prompts or conversations went from node to node, in runs whose readings tell it."""
SHARED = (
    Column("read_for_others", "read for others", units.count),
    Column("written_for_others", "answered after others", units.count),
    Column("same_text", "the same answer", is_number=False),
)
"""Columns where prompts were read on one node and answered on another."""
NOTE_SHARED = (
    " Prompts that two nodes shared: read on one, answered on the other with the cache; the same answer: of those that "
    "were answered a second time without it."
)


def tokens(study: Study) -> Table | None:
    """Of every run in the CSV; shown are the first seed of every policy, and the nodes of the policy in focus. None
    where no language model was served."""
    rows = [row for run in study for row in _rows(run)]
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    first = min(frame["seed"])
    of_nodes = (frame["node_id"] != ALL) & (frame["policy"] == study.focus)
    shown = frame[(frame["seed"] == first) & ((frame["node_id"] == ALL) | of_nodes)].copy()
    shown["label"] = shown["policy"].map(style.policy_label)
    for phase in PHASES:
        key = f"joules_per_token_{phase}"
        shown[f"{phase}_text"] = [
            _with_interval(value, half)
            for value, half in zip(shown[key], shown[f"{key}_half_width"], strict=True)
        ]
    return Table(
        "tokens",
        f"Tokens of the language model, by policy and by the node that answered (seed {first})",
        frame,
        (
            Column("label", "policy", is_number=False),
            Column("node_id", "node", is_number=False),
            Column("requests", "answered", units.count),
            Column("failed_requests", "failed", units.count),
            Column("tokens_cached", "cached", units.count),
            Column("tokens_prefilled", "prefilled", units.count),
            Column("tokens_decoded", "decoded", units.count),
            Column("prefilled_text", "J/prefilled token", sort="joules_per_token_prefilled"),
            Column("decoded_text", "J/decoded token", sort="joules_per_token_decoded"),
            Column("grams_per_1000_tokens", "g/1,000 tokens", units.grams),
            Column("first_token_p50_s", "first token, p50", units.seconds),
            Column("first_token_p95_s", "p95", units.seconds),
            Column("token_gap_p50_s", "between tokens, p50", units.seconds),
            Column("wasted_j", "wasted", units.joules),
            *(OTHER if "other_wasted_j" in frame else ()),
            Column("bytes_per_content_byte", "bytes per byte of text", units.count),
            *(SHARED if "same_text" in frame else ()),
        ),
        note=(
            "Joules are the nodes' computation and static power of the application stage, each request's by its own "
            "window of the meter, divided by the server's own timings; the interval (95 %) is by how requests differ. "
            "Cached: of prompts, read before and not again. Decoded: tokens after an answer's first one, which comes "
            "out of reading the prompt. Grams are over all tokens read and generated. Wasted: of requests that "
            "failed, or that two nodes answered; other waste: answers gone through again, and caches tried in vain. "
            "Times run from arrival, in slot time. Every request is a row of requests.parquet."
            + (NOTE_SHARED if "same_text" in frame else "")
        ),
        shown=shown,
    )


def _rows(run: Run) -> Iterator[dict[str, Any]]:
    table = run.tables.get("requests")
    if table is None or table.empty:
        return
    other = _other_waste(run)
    parts = [(ALL, table), *((str(node), own) for node, own in table.groupby("node_id", sort=True))]
    for node, own in parts:
        of_node = {} if other is None else {"other_wasted_j": other.get(node, 0.0)}
        yield {"policy": run.policy, "seed": run.seed, "node_id": node, **_figures(own), **of_node}


def _other_waste(run: Run) -> dict[str, float] | None:
    """Joules by node, and of all; None where there are none, or the run's version did not tell them."""
    serving = run.tables.get("serving")
    if serving is None or "other_wasted_j" not in serving or not serving["other_wasted_j"].fillna(0).any():
        return None
    found = {
        str(node): float(each) for node, each in serving.groupby("node_id")["other_wasted_j"].sum().items()
    }
    return {**found, ALL: sum(found.values())}


def own_requests(rows: pd.DataFrame) -> pd.Series:
    """Whether each row of ``requests`` is a request of its own: neither a prompt that was read for another node nor an
    extra answer."""
    other = pd.Series(False, index=rows.index)
    if "part" in rows:
        other |= rows["part"].eq("read")
    if "extra" in rows:
        other |= rows["extra"].fillna(False).astype(bool)
    return ~other


def _figures(rows: pd.DataFrame) -> dict[str, Any]:
    elsewhere = ~own_requests(rows)
    worked = rows[rows["failed"].isna()]
    answered = worked[~elsewhere[worked.index]]
    sums = {name: float(rows[name].sum()) for name in SUMS}
    asked = rows[~elsewhere]  # what two nodes shared, or both answered, counts once
    every = float((asked["tokens_cached"] + asked["tokens_prefilled"]).sum()) + sums.pop("tokens_out")
    found: dict[str, Any] = {
        "requests": len(answered),
        # A prompt that was not read for another node is read there: whether it is answered is that node's row.
        "failed_requests": int(asked["failed"].notna().sum()),
        **_handed(rows),
        **sums,
        "grams_per_1000_tokens": 1000.0 * sums["operational_g"] / every if every else None,
    }
    for phase, joules in PHASES.items():
        each = ratio(worked[joules].tolist(), worked[f"tokens_{phase}"].tolist())
        key = f"joules_per_token_{phase}"
        found[key] = None if each is None else each.value
        found[f"{key}_half_width"] = None if each is None else each.half_width
    for name in ("first_token", "token_gap"):
        known = answered[f"{name}_s"].dropna()
        for share in (50, 95):
            found[f"{name}_p{share}_s"] = float(known.quantile(share / 100)) if len(known) else None
    content = float(answered["bits"].sum()) / BITS_PER_BYTE
    found["bytes_per_content_byte"] = float(answered["wire_bytes"].sum()) / content if content else None
    return found


def _handed(rows: pd.DataFrame) -> dict[str, Any]:
    """Requests that two nodes shared; {} where there are none."""
    if "part" not in rows:
        return {}
    written = rows[rows["part"].eq("write")]
    compared = written["same_answer"].dropna()
    return {
        "read_for_others": int(rows["part"].eq("read").sum()),
        "written_for_others": len(written),
        "cache_bytes": float(written["cache_bytes"].sum()),
        "same_text": f"{int(compared.astype(bool).sum())} of {len(compared)}",
    }


def _with_interval(value: float | None, half: float | None) -> str | None:
    if units.missing(value):
        return None
    return units.joules(value) if units.missing(half) else f"{units.joules(value)} ± {units.joules(half, 2)}"
