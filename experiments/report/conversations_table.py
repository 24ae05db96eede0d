"""The table of conversations: with what later turns were answered, and what users' moves took, by policy."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.report import style, units
from experiments.report.read import Study
from experiments.report.tables import Column, Table
from experiments.report.tokens_table import own_requests

PARTS = {
    "kept": "own cache",
    "continued": "cache came",
    "read-again": "read again",
    "fell-back": "fell back",
    "recalled": "from the ledger",
    "lost": "text lost",
}
"""What later turns were answered with, in the columns' words."""


def conversations(study: Study) -> Table | None:
    """Of every run; None where users had no conversations."""
    rows = [
        {"policy": run.policy, "seed": run.seed, **figures(run.tables["requests"], run.metadata.get("turns"))}
        for run in study
        if "conversation" in run.tables.get("requests", ())
    ]
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    shown = frame.copy()
    shown["label"] = shown["policy"].map(style.policy_label)
    return Table(
        "conversations",
        "Turns of conversations, and what users' moves took, by policy",
        frame,
        (
            Column("label", "policy", is_number=False),
            Column("seed", "seed", units.count),
            Column("turns", "turns", units.count),
            Column("answered", "answered", units.count),
            Column("moved", "user moved", units.count),
            Column("asked_again", "asked again", units.count),
            *(Column(_name(part), label, units.count) for part, label in PARTS.items()),
            Column("tokens_cached", "tokens cached", units.count),
            Column("tokens_prefilled", "prefilled", units.count),
            Column("tokens_decoded", "decoded", units.count),
            Column("handed_bytes", "bytes of caches", units.count),
            Column("handed_j", "J of caches", units.joules),
            Column("answers_j", "J of answers", units.joules),
            Column("wasted_j", "wasted", units.joules),
            Column("total_g", "g of both", units.grams),
            Column("hand_over_price_g", "price of caches", units.grams),
            Column("read_again_price_g", "of reading again", units.grams),
            Column("first_token_moved_p50_s", "first token after a move, p50", units.seconds),
            Column("first_token_kept_p50_s", "without one, p50", units.seconds),
            Column("same_text", "the same answer", is_number=False),
        ),
        note=(
            "Later turns are answered with the cache that the node kept, with that of the node that the user left "
            "(cache came), or after the conversation was read again: by decision, because a cache that was to be used "
            "did not come or could not be used (fell back), with the earlier answers from the ledger because the node "
            "that gave them was lost or has started again (from the ledger), or with passages in their place because "
            "the ledger does not have them either (text lost). Asked again: turns that were lost with a node. J of "
            "caches: radio at either end and network. Prices are of the turns whose users moved: their caches' bytes, "
            "and reading as it was planned, at the grid's intensity. The same answer: of turns whose conversation was "
            "gone through again without the cache. Turns that are not answered are failed or unserved requests."
        ),
        shown=shown,
    )


def figures(rows: pd.DataFrame, turns: int | None = None) -> dict[str, Any]:
    """Of a run's table ``requests``. ``turns``: that there were in all; None: those in the table."""
    asked, answered = rows[own_requests(rows)], rows[rows["failed"].isna()]
    part = answered["part"] if "part" in rows else pd.Series(None, index=answered.index, dtype="object")
    moved = answered[answered["read_again_g"].notna()] if "read_again_g" in rows else answered[:0]
    bytes_of_caches = (
        rows["cache_bytes"].fillna(0) if "cache_bytes" in rows else pd.Series(0, index=rows.index)
    )
    handed_g = _sum(rows, "handed_g")
    compared = answered["same_answer"].dropna() if "same_answer" in rows else answered["failed"][:0]
    return {
        "turns": len(asked) if turns is None else turns,
        "answered": len(answered),
        "failed": len(asked) - len(answered),
        "moved": len(moved),
        "asked_again": int(answered["lost_node"].notna().sum()) if "lost_node" in rows else 0,
        **{_name(name): int(part.eq(name).sum()) for name in PARTS},
        "tokens_cached": int(answered["tokens_cached"].sum()),
        "tokens_prefilled": int(answered["tokens_prefilled"].sum()),
        "tokens_decoded": int(answered["tokens_decoded"].sum()),
        "handed_bytes": int(bytes_of_caches.sum()),
        "handed_j": _sum(rows, "handed_j"),
        "answers_j": float((rows["prefill_j"] + rows["decode_j"]).sum()),
        "prefill_j": float(rows["prefill_j"].sum()),
        "decode_j": float(rows["decode_j"].sum()),
        "wasted_j": float(rows["wasted_j"].sum()),
        "handed_g": handed_g,
        "total_g": float(rows["operational_g"].sum()) + handed_g,
        "hand_over_price_g": _sum(moved, "hand_over_g"),
        "read_again_price_g": _sum(moved, "read_again_g"),
        "first_token_moved_p50_s": _median(moved["first_token_s"]),
        "first_token_kept_p50_s": _median(answered[part.eq("kept")]["first_token_s"]),
        "compared": len(compared),
        "same": int(compared.astype(bool).sum()),
        "same_text": f"{int(compared.astype(bool).sum())} of {len(compared)}",
    }


def _name(part: str) -> str:
    return part.replace("-", "_")


def _sum(rows: pd.DataFrame, name: str) -> float:
    return float(rows[name].fillna(0).sum()) if name in rows else 0.0


def _median(values: pd.Series) -> float | None:
    known = values.dropna()
    return float(known.median()) if len(known) else None
