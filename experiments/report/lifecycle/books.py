"""A run's energy lines by life-cycle stage, unallocated time, and zone."""

from __future__ import annotations

from dataclasses import dataclass

from carbon_data.units import JOULES_PER_KWH
from experiments.report.baselines import all_from_grid
from experiments.report.provenance import Known, joules_by_provenance, known_from
from experiments.report.read import Run

STAGES = ("preparation", "development", "application", "recycling")
UNALLOCATED = "unallocated"


@dataclass(frozen=True, slots=True)
class Sum:
    """Energy and grams of a set of lines. J and g CO2e."""

    energy_j: float = 0.0
    grid_j: float = 0.0
    operational_g: float = 0.0
    all_grid_g: float = 0.0
    """Grams if all of the energy had come from the grid of its place and time: harvest taken away."""
    by_provenance: tuple[tuple[str, float], ...] = ()
    """(provenance, J): the energy by provenance."""

    def known(self, *, has_constants: bool = False, missing_fraction: float = 0.0) -> Known:
        """Provenance of a figure from these lines."""
        return known_from(
            dict(self.by_provenance), has_constants=has_constants, missing_fraction=missing_fraction
        )

    @property
    def intensity_g_per_kwh(self) -> float | None:
        """Grams per kWh used, harvested energy at zero: the I of (L3). None without energy."""
        return self.operational_g / self.energy_j * JOULES_PER_KWH if self.energy_j > 0 else None

    def __add__(self, other: Sum) -> Sum:
        joules = dict(self.by_provenance)
        for name, energy_j in other.by_provenance:
            joules[name] = joules.get(name, 0.0) + energy_j
        return Sum(
            self.energy_j + other.energy_j,
            self.grid_j + other.grid_j,
            self.operational_g + other.operational_g,
            self.all_grid_g + other.all_grid_g,
            tuple(joules.items()),
        )


def by_stage(run: Run) -> dict[str, Sum]:
    """Sums by life-cycle stage, network and coordinator included where their lines name the stage.

    Stages without a line are zero joules; ``unallocated`` is idle time. The sums add up to the whole run.
    """
    lines = run.tables["lines"]
    # where the intensity of a line's place is not known, its grams are as booked
    from_grid = all_from_grid(run)["operational_g"].fillna(lines["operational_g"])
    lines = lines.assign(all_grid_g=from_grid)
    columns = ("energy_j", "grid_j", "operational_g", "all_grid_g")
    found = {}
    for stage, own in lines.groupby("stage"):
        energy_j, grid_j, operational_g, all_grid_g = (float(own[name].sum()) for name in columns)
        provenance = tuple(joules_by_provenance(own).items())
        found[str(stage)] = Sum(energy_j, grid_j, operational_g, all_grid_g, provenance)
    return {stage: found.get(stage, Sum()) for stage in dict.fromkeys([*STAGES, UNALLOCATED, *sorted(found)])}


def requests(run: Run) -> int:
    """Inferences served."""
    return int(run.tables["slots"]["requests"].sum())


def rounds(run: Run) -> int:
    """Rounds of the development stage."""
    return int((run.tables["rounds"]["stage"] == "development").sum())


def slot_count(run: Run) -> int:
    return int(run.tables["slots"]["slot"].nunique())
