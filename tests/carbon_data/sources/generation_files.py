"""Generation by fuel of a grid whose margin is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

START = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = 366
GAS_SHARE = {"day": 0.7, "night": 0.2}
"""Gas's share of every change, by day (6 to 17 h UTC) and by night; coal has the rest."""


def grid(seed: int = 0, noise: float = 0.0, days: int = DAYS) -> pd.DataFrame:
    """A zone with a known margin: coal and gas follow the load, sun varies, nuclear is constant."""
    rng = np.random.default_rng(seed)
    hours = np.arange(24 * days)
    by_day = (hours % 24 >= 6) & (hours % 24 < 18)
    load = rng.normal(0.0, 100.0, hours.size)
    change = np.diff(load, prepend=0.0)
    # both changes of an hour, in and out, lie in one regime but at its edges
    share = np.where(by_day, GAS_SHARE["day"], GAS_SHARE["night"])
    gas = 5000.0 + np.cumsum(share * change) + noise * rng.normal(size=hours.size)
    coal = 5000.0 + np.cumsum((1.0 - share) * change)
    solar = np.maximum(np.sin(np.pi * (hours % 24 - 6) / 12), 0.0) * rng.uniform(500, 5000, hours.size)
    return pd.DataFrame(
        {
            "zone": "Z",
            "time": [(START + int(h) * HOUR).isoformat() for h in hours],
            "nat_gas_mw": gas,
            "coal_mw": coal,
            "nuclear_mw": 3000.0,
            "solar_mw": solar,
        }
    )


def written(folder: Path, frame: pd.DataFrame) -> Path:
    path = folder / "mix.csv"
    frame.to_csv(path, index=False)
    return path
