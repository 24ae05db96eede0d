"""Errors of Table I by learning rate: each rate calibrated on its own row, every row with its origin."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.studies.fei import rates, shipped, table1
from experiments.studies.fei.plan import other_rates
from experiments.studies.fei.spec import (
    BY_NAME,
    FULL,
    QUICK,
    RATE_REDUCTIONS,
    REFERENCE_BATCHES,
    REFERENCE_SERVERS,
    SERVERS,
)
from experiments.studies.fei.table1 import Outcome, Row

SIZES = {"MLP": ("mnist", 60_000), "CNN": ("mnist", 60_000), "LSTM": ("shakespeare", 12_542)}


def seen(servers: int, rounds: int, basis: str = "measured") -> tuple[Row, Outcome]:
    row = Row("MLP", REFERENCE_BATCHES, REFERENCE_SERVERS, servers)
    climb = [{"accuracy": 0.98 if k == rounds - 1 else 0.9, "loss": 0.1} for k in range(rounds)]
    result: dict[str, Any] = {
        "cell": {"target_fraction": 0.975},
        "development": climb,
        "num_train": 60_000,
        "train_flop_per_example": 6e5,
        "model_bytes": 636_040,
        "parameters": 159_010,
        "diverged": "",
    }
    return row, table1.outcome(row, result, basis)


def test_each_rate_is_calibrated_on_its_own_row_and_missing_rows_say_why() -> None:
    own = dict(seen(n, 1 + n) for n in SERVERS)
    slow = dict([seen(1, 9), seen(3, 12, "shipped: then"), seen(5, 20)])
    frame = rates.table({("MLP", 0.2): own, ("MLP", 0.05): slow})
    assert list(frame["learning_rate"].unique()) == [0.05, 0.2]
    assert len(frame) == 2 * len(SERVERS)
    at = frame.set_index(["learning_rate", "servers"])
    assert at.loc[(0.05, 5), "role"] == at.loc[(0.2, 11), "role"] == "calibrated"
    assert at.loc[(0.05, 5), "error_kwh_fraction"] == pytest.approx(0.0)
    assert at.loc[(0.05, 3), "basis"] == "shipped: then"
    assert at.loc[(0.05, 7), "role"] == "missing"
    assert "not trained" in str(at.loc[(0.05, 7), "basis"])
    found = rates.errors({("MLP", 0.2): own, ("MLP", 0.05): slow}).set_index("learning_rate")
    assert found.loc[0.05, "rounds"] == "9, 12, 20"
    assert found.loc[0.05, "rows_predicted"] == 2
    off = abs(at.loc[(0.05, 1), "error_kwh_fraction"]), abs(at.loc[(0.05, 3), "error_kwh_fraction"])
    assert found.loc[0.05, "mean_error_kwh_fraction"] == pytest.approx(sum(off) / 2)
    assert found.loc[0.05, "worst_error_kwh_fraction"] == pytest.approx(max(off))
    few = rates.errors({("MLP", 0.2): {row: one for row, one in own.items() if row.servers <= 5}})
    assert found.loc[0.05, "own_mean_error_kwh_fraction"] == few["mean_error_kwh_fraction"].iloc[0]


def test_errors_follow_the_ratios_of_rounds() -> None:
    """The MLP's work of a round is the same for any number of servers: twice the rounds, about twice the energy."""
    frame = rates.table({("MLP", 0.2): dict([seen(9, 8), seen(11, 8)])}).set_index("servers")
    paper = BY_NAME["MLP"].paper_kwh
    assert frame.loc[11, "error_kwh_fraction"] == pytest.approx(paper(9) / paper(11) - 1.0, abs=0.02)


def test_a_rate_that_diverges_or_falls_short_is_missing_with_its_reason() -> None:
    row, one = seen(1, 3)
    short = table1.outcome(row, {**one.result, "development": [{"accuracy": 0.5, "loss": 1.0}]}, "measured")
    blown = table1.outcome(
        row, {**one.result, "development": [], "diverged": "development diverged in round 1"}, "measured"
    )
    for outcome, said in ((short, "not reached in 1 rounds"), (blown, "diverged in round 1")):
        frame = rates.table({("MLP", 0.8): {row: outcome}})
        assert said in frame["basis"].iloc[0]
        assert frame["role"].iloc[0] == "missing"
        assert rates.errors({("MLP", 0.8): {row: outcome}})["rows_predicted"].iloc[0] == 0


def test_rows_at_other_rates_are_of_the_size_that_is_said() -> None:
    found = other_rates(FULL.rates, SIZES)
    assert {row.model for row, _ in found} == {"MLP", "CNN", "LSTM"}
    for (row, rate), cell in found.items():
        assert cell.learning_rate == rate
        assert (cell.edges < cell.partitions) == RATE_REDUCTIONS[row.model].is_scaled
        assert not cell.recycle
    for name in ("MLP", "CNN", "LSTM"):
        assert len({rate for row, rate in found if row.model == name} | {BY_NAME[name].learning_rate}) >= 3


def test_every_model_ships_three_rates_or_more() -> None:
    """The study's own rate ships or is trained by it."""
    there = {(result["cell"]["task"], result["cell"]["learning_rate"]) for result in shipped.trainings()}
    for name in ("MLP", "CNN", "LSTM"):
        model = BY_NAME[name]
        assert (model.task, model.learning_rate) in there
        assert len({rate for task, rate in there if task == model.task}) >= 3
    for cell in other_rates(QUICK.rates, SIZES).values():
        known = shipped.find(cell)
        assert known is not None
        assert known["reached"]


def test_rows_at_the_own_rate_are_of_the_size_of_the_other_rates() -> None:
    def rows(name: str, basis: str, rounds: int) -> dict[Row, Outcome]:
        return {
            Row(name, REFERENCE_BATCHES, REFERENCE_SERVERS, n): seen(n, rounds, basis)[1] for n in SERVERS
        }

    table = {**rows("MLP", "measured", 3), **rows("LSTM", "measured", 5)}
    small = {**rows("MLP", "scaled: a tenth", 4), **rows("LSTM", "scaled: a tenth", 9)}
    found = rates.own(table, small)
    for name, rounds in (("MLP", 3), ("LSTM", 9)):
        one = found[name, BY_NAME[name].learning_rate]
        assert [each.training.rounds for each in one.values()] == [rounds] * len(SERVERS)
    without = rates.own(table, {})["LSTM", BY_NAME["LSTM"].learning_rate]
    assert {each.training.rounds for each in without.values()} == {5}
