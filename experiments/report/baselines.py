"""The baselines of reductions, GRID and LOCAL: from their runs, or, for GRID, computed from LOCAL's ledger.

GRID and LOCAL do the same work at the same nodes in the same slots; they differ in where the joules come from. So where
LOCAL was run and GRID was not, GRID is LOCAL's metered demand with every joule from the node's grid. Every figure that
uses it says so (``ORIGIN``).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from carbon_data.units import JOULES_PER_KWH
from experiments.report.read import BASELINES as BASELINES
from experiments.report.read import Run, Study
from protos.messages.terms import HOLDERS

ORIGIN = "computed from LOCAL's metered demand: the same work, every joule from the grid"


def is_worked_out(study: Study, baseline: str) -> bool:
    """Whether ``baseline`` is computed from the ledger of another run."""
    return study.is_comparison and baseline == "grid" and "grid" not in study.runs and "local" in study.runs


def there(study: Study) -> list[str]:
    """Baselines that reductions of ``study`` can be stated against: one that was chosen, after GRID and LOCAL."""
    return [name for name in named(study) if name in study.runs or is_worked_out(study, name)]


def named(study: Study) -> tuple[str, ...]:
    """GRID and LOCAL, and the baseline that was chosen."""
    return tuple(dict.fromkeys((*BASELINES, *([study.against] if study.against else ()))))


def all_from_grid(run: Run) -> pd.DataFrame:
    """Lines of ``run`` without any harvest: (L1) with every joule of a node at its own grid's intensity.

    Lines of ``HOLDERS`` are grid energy as they are. Grams of a line whose intensity is not known
    are null.
    """
    lines, slots = run.tables["lines"], run.tables["slots"]
    shared = lines["node_id"].isin(HOLDERS)
    intensity = slots.set_index(["slot", "node_id"])["intensity_g_per_kwh"].astype(float)
    here = pd.MultiIndex.from_frame(lines[["slot", "node_id"]])
    grams = lines["energy_j"].to_numpy() * intensity.reindex(here).to_numpy() / JOULES_PER_KWH
    return lines.assign(
        grid_j=lines["energy_j"], operational_g=np.where(shared, lines["operational_g"].to_numpy(), grams)
    )
