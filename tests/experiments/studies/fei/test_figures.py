"""Figures 3 and 4 and the ratios, from invented trainings."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from experiments.report.figures.base import Drawing
from experiments.studies.fei import fig4, figures, placement
from experiments.studies.fei.spec import REFERENCE_BATCHES, REFERENCE_SERVERS, SERVERS
from experiments.studies.fei.table1 import Outcome, Row, by_seed, calibrated, outcome, table


def result(rounds: int) -> dict[str, Any]:
    climb = [{"accuracy": 0.95 + 0.03 * (k + 1) / rounds, "loss": 0.1} for k in range(rounds)]
    return {
        "cell": {"target_fraction": 0.975},
        "development": climb,
        "recycling": climb,
        "num_train": 60_000,
        "train_flop_per_example": 6e5,
        "serve_flop_per_request": 3e5,
        "prepare_flop_per_example": 4e3,
        "bytes_per_example": 800.0,
        "model_bytes": 636_040,
        "parameters": 159_010,
        "diverged": "",
    }


def outcomes(more: int) -> dict[Row, Outcome]:
    every = [Row(name, REFERENCE_BATCHES, REFERENCE_SERVERS, n) for name in ("MLP", "CNN") for n in SERVERS]
    basis = {1: "shipped: before", 3: "scaled: smaller"}
    return calibrated(
        {
            row: outcome(row, result(2 + row.servers // 2 + more), basis.get(row.servers, "measured"))
            for row in every
        }
    )


@pytest.mark.parametrize("count", [1, 3])
def test_figures_say_whether_they_show_the_spread_over_seeds(count: int) -> None:
    world = placement.intensities()
    seeded = {seed: outcomes(seed) for seed in range(count)}
    frame, seeds = table(seeded[0], {}, world), by_seed(seeded, world)
    shares, again = fig4.shares(fig4.table(seeded[0], world)), fig4.by_seed(seeded, world)
    drawn: list[Drawing] = [
        figures.fig3(frame, seeds),
        figures.ratios(frame, seeds),
        figures.fig4(shares, again),
        figures.fig4(shares, again, fig4.PAPER_STAGES),
    ]
    for one in drawn:
        assert ("range of 3 seeds" in one.caption) == (count == 3)
        assert ("One training seed" in one.caption) == (count == 1)
        assert "</svg>" in one.svg()
    legend = [text.get_text() for text in drawn[2].figure.legends[0].get_texts()]
    assert legend[0].startswith("preparation (")
    assert len(legend) == 4
    assert len(drawn[3].figure.legends[0].get_texts()) == 3
    assert (drawn[2].name, drawn[3].name) == ("fig4", "fig4-three-stages")


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
