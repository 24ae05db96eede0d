"""Traces written in every format that is read."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from carbon_data.files.datasets import DatasetState, dataset, status_of

START = datetime(2023, 3, 1, tzinfo=UTC)


def frame(hours: int = 96) -> pd.DataFrame:
    """Two zones with values from which zone and hour can be read."""
    stamps = pd.date_range(START, periods=hours, freq="h")
    return pd.concat(
        [
            pd.DataFrame(
                {"timestamp": stamps, "zone": zone, "gCO2e_per_kWh": base + np.arange(hours, dtype=float)}
            )
            for zone, base in (("A-1", 100.0), ("B-2", 500.0))
        ],
        ignore_index=True,
    )


def write(path: Path, table: pd.DataFrame) -> Path:
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False)
    return path


present = {
    name: status_of(dataset(name)).state is DatasetState.PRESENT
    for name in ("em-lca-2022", "eia-production-2022", "eia-solar-wind-2022")
}
