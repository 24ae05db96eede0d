"""Worlds of the study with grams by hand."""

from __future__ import annotations

import pandas as pd

from experiments.studies.learned.cells import POLICIES, WorldCell
from experiments.studies.learned.tables import worlds_of


def found_by_hand() -> pd.DataFrame:
    """Two unseen worlds of 6 nodes, one of 12, one of training; grams of LOCAL 100, of the optimum 50."""
    cells = [
        WorldCell("unseen", 0, 6),
        WorldCell("unseen", 1, 6),
        WorldCell("unseen", 0, 12),
        WorldCell("training", 0, 6),
    ]
    grams = [(60.0, 50.0, 70.0), (70.0, 50.0, 90.0), (60.0, 50.0, 80.0), (60.0, 50.0, 75.0)]
    results = [
        {
            "emissions_g": dict(zip(POLICIES, (100.0, *each), strict=True)),
            "bound_g": 50.0,
            "zones": ["FR"],
            "day": "2022-01-02",
        }
        for each in grams
    ]
    return worlds_of(cells, results)
