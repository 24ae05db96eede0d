"""Load, panels and batteries of the 17 houses, and their grid's intensity: read from the data folder, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from carbon_data.files.datasets import require
from carbon_data.types import DataError
from coordinator.market.fleet import Floats

DATASETS = ("citylearn-2022-buildings", "citylearn-2022-assets", "citylearn-2022-intensity")
HOURS = 8760
BEGIN = datetime(2016, 7, 31, 23)
"""Local time at which hour 0 begins: the challenge's files start with month 7, hour 24, a Sunday, and end with 31 July
(columns Month, Hour and Day Type of CityLearn's Building_1.csv). Only month and day are shown."""
EFFICIENCY_FRACTION = 0.9
"""Round trip of a battery: ``efficiency`` of ``electrical_storage`` in the challenge's schema
(https://github.com/intelligent-environments-lab/CityLearn, 2022,
data/datasets/citylearn_challenge_2022_phase_all/schema.json). CityLearn takes its square root in each direction, and so
do we. The schema's standing loss is 0."""
GRAMS_PER_KG = 1000.0


@dataclass(frozen=True)
class Houses:
    """N houses on one grid over T hours. kWh and kW, as the data are."""

    names: tuple[str, ...]
    load_kwh: Floats
    """(N, T)."""
    pv_kwh: Floats
    """(N, T) output of the panels."""
    battery_kwh: Floats
    """(N,) capacity."""
    battery_kw: Floats
    """(N,) limit of charge and of discharge."""
    intensity_g_per_kwh: Floats
    """(T,) of the grid that all houses are on."""

    @property
    def one_way_fraction(self) -> float:
        """Efficiency of charging, and of discharging."""
        return float(np.sqrt(EFFICIENCY_FRACTION))

    def hours(self, begin: int, end: int) -> Houses:
        """The hours from ``begin`` up to ``end``. Raises ValueError for hours that there are not."""
        total = self.load_kwh.shape[1]
        if not 0 <= begin < end <= total:
            raise ValueError(f"hours {begin} to {end}; allowed is a part of 0 to {total}")
        part = slice(begin, end)
        return Houses(
            self.names,
            self.load_kwh[:, part],
            self.pv_kwh[:, part],
            self.battery_kwh,
            self.battery_kw,
            self.intensity_g_per_kwh[part],
        )

    def only(self, house: int) -> Houses:
        """One house."""
        one = slice(house, house + 1)
        return Houses(
            self.names[one],
            self.load_kwh[one],
            self.pv_kwh[one],
            self.battery_kwh[one],
            self.battery_kw[one],
            self.intensity_g_per_kwh,
        )

    def as_one(self) -> Houses:
        """All houses behind one meter: one load, one array of panels, one battery of the batteries' sums.

        Exact for free exchange, without loss or limit, of houses whose batteries are alike: whatever the large battery
        does, each small one can do its share of. Raises ValueError where the batteries differ."""
        if np.ptp(self.battery_kwh) or np.ptp(self.battery_kw):
            raise ValueError(
                "batteries differ between houses; their sum is one battery only where all are alike"
            )
        return Houses(
            ("all",),
            self.load_kwh.sum(axis=0, keepdims=True),
            self.pv_kwh.sum(axis=0, keepdims=True),
            self.battery_kwh.sum(keepdims=True),
            self.battery_kw.sum(keepdims=True),
            self.intensity_g_per_kwh,
        )


def read_houses() -> Houses:
    """All houses over the whole year. Raises DataError where a file is missing, damaged, or has a gap."""
    buildings, assets, intensity = (require(name) for name in DATASETS)
    table = pd.read_parquet(buildings)
    sizes = pd.read_csv(assets).set_index("building")
    names = tuple(str(name) for name in sizes.index)
    load, pv = (
        table.pivot(index="building", columns="hour", values=column).reindex(list(names))
        for column in ("load_kwh", "pv_kwh")
    )
    grid = pd.read_csv(intensity).set_index("hour")["kg_per_kwh"].reindex(range(HOURS))
    for what, values in (("load", load), ("pv", pv), ("intensity", grid)):
        if values.isna().to_numpy().any() or values.shape[-1] != HOURS:
            raise DataError(
                f"{what} of the houses: {values.shape} with gaps, expected {HOURS} hours without one"
            )
    return Houses(
        names,
        load.to_numpy(dtype=float),
        pv.to_numpy(dtype=float),
        sizes["battery_kwh"].to_numpy(dtype=float),
        sizes["battery_kw"].to_numpy(dtype=float),
        grid.to_numpy(dtype=float) * GRAMS_PER_KG,
    )
