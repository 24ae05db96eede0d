"""Trainings side by side, by hand, and a study of one world with weights that are given."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carbon_data.files.datasets import DatasetState, dataset, status_of
from coordinator.policies.learned.network import WEIGHTS
from coordinator.policies.learned.policy import SHIPPED
from coordinator.policies.learned.record import DIGEST, beside
from experiments.studies.learned.cells import WeightsCell
from experiments.studies.learned.checks import judge
from experiments.studies.learned.spread import by_training, spread_of, trainings_of
from experiments.studies.learned.study import reproduce_learned
from experiments.studies.learned.tables import policies_of
from experiments.studies.learned.trainings import Training
from experiments.studies.learned.worlds import SOURCE
from tests.experiments.studies.learned.by_hand import found_by_hand


def training(kind: str, seed: int) -> Training:
    record = {"seed": seed, "steps": 10, "date": "2026-01-01", DIGEST: f"{kind}-{seed}"}
    return Training(f"{kind} {seed}", kind, Path("none"), record)


TRAINED = [training("ships", 0), training("seed", 1), training("given", 0)]
GRAMS = {"seed-1": 60.0, "given-0": 120.0}


def judged() -> pd.DataFrame:
    """In each unseen world seed 1 emits 60 g, what is given 120; LOCAL 100, DETA 50; what ships 70 and 90, of 12 80."""
    cells = [
        WeightsCell("unseen", number, nodes, Path("none"), sha256)
        for sha256 in GRAMS
        for number, nodes in ((0, 6), (1, 6), (0, 12))
    ]
    return by_training(
        found_by_hand(), TRAINED, cells, [{"emissions_g": GRAMS[cell.sha256]} for cell in cells]
    )


def test_each_training_is_judged_in_the_same_worlds() -> None:
    rows = {(r["training"], r["nodes"]): r for r in trainings_of(judged(), TRAINED).to_dict("records")}
    assert len(rows) == 6
    ships, seed, given = (rows[name, 6] for name in ("ships 0", "seed 1", "given 0"))
    assert [each["worlds"] for each in (ships, seed, given)] == [2, 2, 2]
    assert ships["of_deta_fraction"] == pytest.approx(0.4)
    assert ships["of_deta_high"] == pytest.approx(0.4 + 12.706 * 0.2, rel=1e-4)
    assert (seed["of_deta_fraction"], seed["of_deta_low"]) == pytest.approx((0.8, 0.8))
    assert given["of_deta_fraction"] == pytest.approx(-0.4)
    assert (seed["worse_worlds"], given["worse_worlds"]) == (0, 2)
    # The auction emits 60 and 70 g.
    assert seed["below_auction_fraction"] == pytest.approx(0.05)
    assert rows["seed 1", 12]["of_deta_fraction"] == pytest.approx(0.8)
    assert np.isnan(rows["seed 1", 12]["of_deta_low"])


def test_the_spread_is_over_seeds_and_not_over_what_is_given() -> None:
    own = spread_of(trainings_of(judged(), TRAINED)).set_index("nodes").loc[6]
    assert own["trainings"] == 2
    assert own["of_deta_fraction"] == pytest.approx(0.6)
    assert own["deviation_fraction"] == pytest.approx(0.4 / np.sqrt(2))
    assert own["of_deta_high"] == pytest.approx(0.6 + 12.706 * 0.2, rel=1e-4)
    assert (own["least_fraction"], own["most_fraction"]) == pytest.approx((0.4, 0.8))


def test_a_single_training_has_no_spread() -> None:
    alone = trainings_of(judged(), TRAINED)
    own = spread_of(alone[alone["kind"] == "ships"]).iloc[0]
    assert own["trainings"] == 1
    assert np.isnan([own["deviation_fraction"], own["of_deta_low"]]).all()


def test_each_seed_counts_in_the_check_and_what_is_given_does_not() -> None:
    worlds, trainings = found_by_hand(), trainings_of(judged(), TRAINED)
    policies = policies_of(worlds)

    def verdict(of: pd.DataFrame) -> str:
        return str(judge(worlds, policies, of, 6, 12)["each-training"]["verdict"])

    assert verdict(trainings) == "not met"
    assert verdict(trainings[trainings["kind"] != "ships"]) == "met"


@pytest.mark.skipif(
    status_of(dataset(SOURCE)).state is not DatasetState.PRESENT, reason="the file is not in the data folder"
)
def test_weights_that_are_given_have_their_own_rows_and_those_that_ship_equal_themselves(
    tmp_path: Path,
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    shutil.copy(SHIPPED, given / WEIGHTS)
    shutil.copy(beside(SHIPPED), beside(given / WEIGHTS))
    report = reproduce_learned(
        tmp_path / "study", False, workers=1, weights=[given], cache=tmp_path / "kept", count=1
    )
    rows = {(row["training"], row["nodes"]): row for row in report["trainings"]}
    for nodes in (6, 12):
        same = ("reduction_fraction", "of_deta_fraction", "below_auction_fraction", "worse_worlds")
        assert [rows["seed 0", nodes][name] for name in same] == [
            rows[str(given), nodes][name] for name in same
        ]
    policy = next(
        r for r in report["policies"] if (r["part"], r["nodes"], r["policy"]) == ("unseen", 6, "rl")
    )
    assert policy["of_deta_fraction"] == rows["seed 0", 6]["of_deta_fraction"]
    assert {row["trainings"] for row in report["spread"]} == {len(rows) // 2 - 1}
    page = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    assert "Spread between trainings" in page
    assert "seed 0 (ships)" in page
