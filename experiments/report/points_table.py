"""The table of operating points: when each board ran at which clock, and what work and tokens took there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from experiments.report import style, units
from experiments.report.read import Run, Study
from experiments.report.tables import Column, Table
from protos.messages.terms import Component

CLOCK = "frequency_mhz"
KEYS = ["slot", "node_id"]
TOKENS = {"tokens_prefilled": "prefill_j", "tokens_decoded": "decode_j"}


def operating_points(study: Study) -> Table | None:
    """By policy, node and clock, of every run in the CSV; shown is the first seed. None where no clock was chosen."""
    rows = [row for run in study for row in _rows(run)]
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    first = min(frame["seed"])
    shown = frame[frame["seed"] == first].copy()
    shown["label"] = shown["policy"].map(style.policy_label)
    spoken = "joules_per_token_decoded" in frame
    return Table(
        "operating_points",
        f"Operating points, by policy, node and clock (seed {first})",
        frame,
        (
            Column("label", "policy", is_number=False),
            Column("node_id", "node", is_number=False),
            Column(CLOCK, "clock, MHz", units.count),
            Column("slots", "slots", units.count),
            Column("executed_batches", "batches", units.count),
            Column("compute_j_per_batch", "J/batch", units.joules),
            *(
                (
                    Column("joules_per_token_prefilled", "J/prefilled token", units.joules),
                    Column("joules_per_token_decoded", "J/decoded token", units.joules),
                )
                if spoken
                else ()
            ),
        ),
        note=(
            "The highest clock of the point that was chosen for the slot. Joules of a batch are the node's computation "
            "above idle power; those of a token are as in the table of tokens, static power included."
        ),
        shown=shown,
    )


def _rows(run: Run) -> Iterator[dict[str, Any]]:
    slots = run.tables["slots"]
    if CLOCK not in slots:
        return
    at = slots.dropna(subset=[CLOCK])
    lines = run.tables["lines"]
    compute = lines[lines["component"] == Component.COMPUTE.value].groupby(KEYS)["energy_j"].sum()
    at = at.join(compute.rename("compute_j"), on=KEYS).fillna({"compute_j": 0.0})
    requests = run.tables.get("requests")
    for (node, clock), own in at.groupby(["node_id", CLOCK], sort=True):
        batches = float(own["executed_batches"].sum())
        row = {
            "policy": run.policy,
            "seed": run.seed,
            "node_id": node,
            CLOCK: clock,
            "slots": len(own),
            "executed_batches": batches,
            "compute_j": float(own["compute_j"].sum()),
            "compute_j_per_batch": float(own["compute_j"].sum()) / batches if batches else None,
        }
        if requests is not None:
            row |= _tokens(requests.merge(own[KEYS], on=KEYS))
        yield row


def _tokens(requests: pd.DataFrame) -> dict[str, Any]:
    worked = requests[requests["failed"].isna()]
    found: dict[str, Any] = {}
    for tokens, joules in TOKENS.items():
        count = float(worked[tokens].sum())
        found[tokens] = count
        found[f"joules_per_token_{tokens.removeprefix('tokens_')}"] = (
            float(worked[joules].sum()) / count if count else None
        )
    return found
