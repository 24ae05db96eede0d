"""Fig. 4: grams by life-cycle stage against the number of servers and the target accuracy, recycling measured."""

from __future__ import annotations

import pandas as pd
import pytest

from experiments.studies.fei import fig4, placement
from tests.experiments.studies.fei.outcomes import outcomes


def test_shares_close_among_four_stages_and_among_the_papers_three() -> None:
    shares = fig4.shares(fig4.table(outcomes(0), placement.intensities()))
    groups = shares.groupby(["servers", "target_fraction"])
    for column in ("share_fraction", "share_of_three_fraction"):
        assert groups[column].sum().to_numpy() == pytest.approx(1.0)
    assert shares[shares["stage"] == "recycling"]["share_of_three_fraction"].isna().all()
    assert (
        shares["share_of_three_fraction"].dropna() > shares["share_fraction"][shares["stage"] != "recycling"]
    ).all()


def test_shares_of_seeds_are_those_of_each_alone() -> None:
    world = placement.intensities()
    seeded = {seed: outcomes(seed) for seed in range(2)}
    found = fig4.by_seed(seeded, world)
    for seed, seen in seeded.items():
        part = found[found["seed"] == seed].drop(columns="seed").reset_index(drop=True)
        pd.testing.assert_frame_equal(part, fig4.shares(fig4.table(seen, world)))
    assert fig4.by_seed({0: seeded[0]}, world).empty
