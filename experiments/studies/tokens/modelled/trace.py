"""Real requests of a language-model service, their hour stretched over a day, each at home on one of the nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from carbon_data.files.datasets import require
from coordinator.market.fleet import Bools, Floats, Ints

TRACES = {"conversation": "azure-llm-2023-conv", "code": "azure-llm-2023-code"}
"""Name here -> data set."""
LONGEST_TOKENS = 2048
"""Longest prompt that a node takes ([C]: what it serves by default, prompt and answer)."""
DAY_S = 86_400.0


@dataclass(frozen=True)
class Trace:
    """R requests in the order of their arrival."""

    at_s: Floats
    tokens_in: Ints
    tokens_out: Ints
    home: Ints
    """(R,) node."""
    left_out_fraction: float
    """Of the file's requests, longer than a node takes."""

    @property
    def count(self) -> int:
        return len(self.at_s)

    @property
    def tokens(self) -> int:
        """Read and written."""
        return int(self.tokens_in.sum() + self.tokens_out.sum())

    def only(self, which: Bools) -> Self:
        """Some of them."""
        values = {name: getattr(self, name)[which] for name in ("at_s", "tokens_in", "tokens_out", "home")}
        return replace(self, **values)


def day_of(name: str, nodes: int, seed: int) -> Trace:
    """The requests of the file over a day: every gap is stretched alike, so that their order and bursts stay. Homes are
    drawn by ``seed``. Raises DataError where the file is not in the data folder."""
    rows = pd.read_csv(require(TRACES[name]), parse_dates=["TIMESTAMP"]).sort_values(
        "TIMESTAMP", kind="stable"
    )
    at = (rows["TIMESTAMP"] - rows["TIMESTAMP"].iloc[0]).dt.total_seconds().to_numpy()
    found = Trace(
        at_s=at / (at[-1] * (1 + 1e-9)) * DAY_S,
        tokens_in=rows["ContextTokens"].to_numpy(np.int64),
        tokens_out=rows["GeneratedTokens"].to_numpy(np.int64),
        home=np.random.default_rng((23, seed)).integers(0, nodes, len(rows)),
        left_out_fraction=0.0,
    )
    fits = (
        (found.tokens_in + found.tokens_out <= LONGEST_TOKENS)
        & (found.tokens_in > 0)
        & (found.tokens_out > 0)
    )
    return replace(found.only(fits), left_out_fraction=float(1.0 - fits.mean()))
