"""Tables of a run folder, read and changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd


def change_table(folder: Path, table: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = folder / f"{table}.parquet"
    change(pd.read_parquet(path)).to_parquet(path)


def read_table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")
