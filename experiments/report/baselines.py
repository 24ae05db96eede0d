"""The baselines that reductions are stated against, GRID and LOCAL: run, or, for GRID, worked out from LOCAL's books.

GRID and LOCAL do the same work at the same nodes in the same slots; they differ in where the joules come from. So where
LOCAL was run and GRID was not, GRID is LOCAL's metered demand with every joule from the node's grid. Whoever shows it
says so (``ORIGIN``).
"""

from __future__ import annotations

from carbon_data.units import JOULES_PER_KWH
from experiments.report.read import Run, Study
from protos.messages import HOLDERS

BASELINES = ("grid", "local")
ORIGIN = "worked out from LOCAL's metered demand: the same work, every joule from the grid"


def is_worked_out(study: Study, baseline: str) -> bool:
    """Whether figures against ``baseline`` rest on another run's books."""
    return study.is_comparison and baseline == "grid" and "grid" not in study.runs and "local" in study.runs


def there(study: Study) -> list[str]:
    """Baselines that reductions of ``study`` can be stated against."""
    return [name for name in BASELINES if name in study.runs or is_worked_out(study, name)]


def all_from_grid_g(run: Run) -> float:
    """Grams of ``run`` had nobody harvested: (L1) with every joule of a node at its own grid's intensity.

    Lines of network, coordinator and router are grid energy as they are.
    """
    lines, slots = run.tables["lines"], run.tables["slots"]
    shared = lines["node_id"].isin(HOLDERS)
    intensity = slots.set_index(["slot", "node_id"])["intensity_g_per_kwh"].astype(float)
    energy_j = lines[~shared].groupby(["slot", "node_id"])["energy_j"].sum().astype(float)
    own_g = (energy_j * intensity.reindex(energy_j.index)).sum(skipna=False) / JOULES_PER_KWH
    return float(own_g) + float(lines.loc[shared, "operational_g"].sum())
