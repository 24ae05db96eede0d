"""The ranking of policies under average and under marginal intensity of the same grids and days."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from experiments.studies.forecasts import ranking


def test_ranks_share_what_rounding_parts() -> None:
    grams = np.array([[3.0, 1.0, 1.0 + 1e-9, 2.0], [1.0, 2.0, 3.0, 4.0]])
    assert ranking.ranks_of(grams).tolist() == [[4, 1, 1, 3], [1, 2, 3, 4]]


def test_rank_changes_by_hand() -> None:
    first, second = ranking.READINGS[0].name, ranking.READINGS[3].name
    grams = pd.DataFrame(
        [
            {"reading": reading, "policy": policy, "day": day, "emissions_g": value * scale}
            for day, scale in (("a", 1.0), ("b", 3.0))
            for reading, values in ((first, (4.0, 3.0, 2.0)), (second, (4.0, 2.0, 3.0)))
            for policy, value in zip(("local", "dat", "deta"), values, strict=True)
        ]
    )
    table = ranking.ranking(grams)
    assert ranking.first_by_reading(table) == {first: ["deta"], second: ["dat"]}
    assert ranking.changes(table) == [f"{second}: dat from 2 to 1, deta from 1 to 2"]
    own = table[(table["reading"] == first) & (table["policy"] == "deta")]
    assert own["reduction_fraction"].item() == pytest.approx(0.5)
