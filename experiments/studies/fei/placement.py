"""Where the servers stand: ten US zones, sorted by intensity or at random, and grams for energies placed there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from carbon_data.files.datasets import DATASETS, DatasetState, dataset, status_of
from carbon_data.files.folders import data_dir
from carbon_data.sources.base import IntensitySource
from carbon_data.sources.profiles import packaged_profiles
from carbon_data.sources.registry import intensity_source
from carbon_data.types import DataError, Origin
from carbon_data.units import JOULES_PER_KWH
from experiments.studies.fei.engine import content_key
from experiments.studies.fei.spec import ZONES

HOURLY = "em-lca-2022"
YEAR_START = datetime(2022, 1, 1, tzinfo=UTC)
YEAR_HOURS = 8760
RANDOM_DRAWS = 2000
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Intensities:
    """Zones with their year, from the hourly file where it is at hand, else from the packaged profiles."""

    zones: tuple[str, ...]
    hourly_g_per_kwh: Floats
    """(Z, 8760) of 2022; from profiles, month and hour of day means."""
    source: str
    origin: Origin
    is_hourly: bool
    digest: str

    @property
    def annual_g_per_kwh(self) -> Floats:
        """(Z,)"""
        return np.asarray(self.hourly_g_per_kwh.mean(axis=1))

    @property
    def order(self) -> NDArray[np.int64]:
        """Zones by ascending annual mean."""
        return np.argsort(self.annual_g_per_kwh, kind="stable")


def hourly_file() -> str | None:
    """Name of the hourly data set when its file is in the data folder."""
    return next((name for name in _names() if (data_dir() / dataset(name).path).is_file()), None)


def _names() -> tuple[str, ...]:
    return tuple(each.name for each in DATASETS if "hourly_em_lca" in str(each.path))


@lru_cache(maxsize=4)
def intensities(zones: tuple[str, ...] = ZONES) -> Intensities:
    """The year of ``zones``.

    A damaged file is refused with what to do; a missing one is replaced by profiles, and said. Raises DataError for
    a zone without data.
    """
    name = hourly_file()
    source: IntensitySource
    if name is None:
        source, label = packaged_profiles(), "packaged profiles (month and hour of day means of 2022)"
    else:
        found = status_of(dataset(name))
        if found.state is not DatasetState.PRESENT:
            raise DataError(f"data set {name} is {found.state}: {found.detail}")
        source, label = intensity_source(HOURLY), "hourly file of 2022"
    series = [source.series(zone, YEAR_START, timedelta(hours=1), YEAR_HOURS) for zone in zones]
    values = np.stack([one.intensity_g_per_kwh for one in series])
    return Intensities(
        zones=zones,
        hourly_g_per_kwh=values,
        source=label,
        origin=series[-1].origin,
        is_hourly=name is not None,
        digest=content_key(values.round(6).tolist()),
    )


def sorted_intensity(world: Intensities, count: int) -> Floats:
    """(count,) annual means of boards placed from the lowest zone up; the eleventh starts again at the lowest."""
    annual = world.annual_g_per_kwh[world.order]
    return annual[np.arange(count) % len(annual)]


def sorted_grams(world: Intensities, servers_j: Floats, coordinator_j: float) -> float:
    """g CO2e under sorted placement. The coordinator stands in the lowest zone: note 9's "one low zone twice"."""
    c = sorted_intensity(world, len(servers_j))
    return float((servers_j * c).sum() + coordinator_j * c[0]) / JOULES_PER_KWH


def random_mean_grams(world: Intensities, servers_j: Floats, coordinator_j: float) -> float:
    """Expected g CO2e with every board's zone drawn uniformly, as the paper's text says: exact, without draws."""
    return float((servers_j.sum() + coordinator_j) * world.annual_g_per_kwh.mean()) / JOULES_PER_KWH


def random_grams(world: Intensities, servers_j: Floats, coordinator_j: float, seed: int = 0) -> Floats:
    """(RANDOM_DRAWS,) g CO2e of such draws, for their range."""
    rng = np.random.default_rng(seed)
    boards = np.append(servers_j, coordinator_j)
    c = world.annual_g_per_kwh[rng.integers(0, len(world.zones), (RANDOM_DRAWS, len(boards)))]
    return np.asarray((c * boards).sum(axis=1)) / JOULES_PER_KWH


def start_spread(world: Intensities, servers_j: Floats, coordinator_j: float, duration_s: float) -> Floats:
    """(2,) lowest and highest sorted grams over all starting hours of the year, the year taken as a ring."""
    hours = max(1, min(YEAR_HOURS, round(duration_s / 3600.0)))
    boards = np.append(servers_j, coordinator_j)
    placed = world.order[np.append(np.arange(len(servers_j)) % len(world.zones), 0)]
    weighted = boards @ world.hourly_g_per_kwh[placed]
    ring = np.concatenate([[0.0], np.cumsum(np.concatenate([weighted, weighted[: hours - 1]]))])
    means = (ring[hours:] - ring[:-hours]) / hours / JOULES_PER_KWH
    return np.array([means.min(), means.max()])
