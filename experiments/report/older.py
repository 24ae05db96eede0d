"""Tables of run folders written before tokens were booked apart, in today's columns.

Until then one column, ``tokens``, counted generated tokens and every class of an image alike. What was served is read
from the run's own ``serving`` table: a service that read no tokens classifies, and has none.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from coordinator.accounting.tree import RATIOS, Window, efficiency

Read = Callable[[str], pd.DataFrame | None]
"""A table of the same folder as it was written; None where there is none."""


def as_today(name: str, frame: pd.DataFrame, read: Read, alpha_bits_per_token: float) -> pd.DataFrame:
    """``frame``, table ``name`` of a folder, with the columns that today's tables have instead of ``tokens``."""
    if name == "serving" and "joules_per_request" not in frame:
        return _serving(frame)
    if name == "slots" and "tokens" in frame:
        return _slots(frame, read("serving"))
    if name == "nodes" and "tokens" in frame:
        slots = read("slots")
        return frame if slots is None else _nodes(frame, _slots(slots, read("serving")), alpha_bits_per_token)
    return frame


def _serving(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.copy()
    frame["tokens_out"] = frame["tokens_out"].where(frame["tokens_in"] > 0, 0)
    asked, tokens = frame["requests"], frame["tokens_in"] + frame["tokens_out"]
    frame["joules_per_request"] = (frame["energy_j"] / asked).where(asked > 0)
    frame["joules_per_token"] = (frame["energy_j"] / tokens).where(tokens > 0)
    frame["grams_per_1000_tokens"] = (1000.0 * frame["operational_g"] / tokens).where(tokens > 0)
    return frame.drop(columns=[name for name in ("tree_bit_per_j", "ee_bit_per_j") if name in frame])


def _slots(frame: pd.DataFrame, serving: pd.DataFrame | None) -> pd.DataFrame:
    """Without a serving table the kind of these tokens is unknown: they are missing."""
    frame = frame.copy()
    if serving is None:
        frame["tokens_in"] = frame["tokens_out"] = pd.NA
        return frame.drop(columns="tokens")
    told = _serving(serving).groupby(["slot", "node_id"])[["tokens_in", "tokens_out"]].sum().reset_index()
    joined = frame.drop(columns="tokens").merge(told, on=["slot", "node_id"], how="left")
    for name in ("tokens_in", "tokens_out"):
        joined[name] = joined[name].fillna(0).where(joined["metered"].astype(bool))
    return joined


def _nodes(frame: pd.DataFrame, slots: pd.DataFrame, alpha_bits_per_token: float) -> pd.DataFrame:
    sums = slots.groupby("node_id")[["tokens_in", "tokens_out"]].sum(min_count=1)
    frame = frame.drop(columns=["tokens", "tree_bit_per_j", "ee_bit_per_j"], errors="ignore")
    frame = frame.merge(sums.reset_index(), on="node_id", how="left")
    energies_j = frame["demand_j"] + frame.get("carried_j", 0.0)
    ratios = [
        efficiency(Window(int(bits), int(tokens_in), int(tokens_out), float(energy_j)), alpha_bits_per_token)
        if not any(pd.isna(value) for value in (bits, tokens_in, tokens_out, energy_j))
        else None
        for bits, tokens_in, tokens_out, energy_j in zip(
            frame["bits"], frame["tokens_in"], frame["tokens_out"], energies_j, strict=True
        )
    ]
    for name in RATIOS:
        values = [None if ratio is None else getattr(ratio, f"{name}_bit_per_j") for ratio in ratios]
        frame[f"{name}_node_bit_per_j"] = pd.array(values, dtype="Float64")
    return frame
