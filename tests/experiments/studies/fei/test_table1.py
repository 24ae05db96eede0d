"""Table I: energy and grams of every row in every reading, predictions beside the paper's figures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from carbon_data.units import joules_to_kwh
from experiments.studies.fei import placement
from experiments.studies.fei.spec import (
    BY_NAME,
    MODELS,
    REFERENCE_BATCHES,
    REFERENCE_SERVERS,
    SERVERS,
    BatchReading,
    Reduction,
    ServerReading,
)
from experiments.studies.fei.study import table_records
from experiments.studies.fei.table1 import (
    Outcome,
    Row,
    by_seed,
    calibrated,
    calibrations,
    covering,
    errors,
    joules,
    outcome,
    perplexity,
    scaled_basis,
    table,
)
from tests.experiments.studies.fei.trainings import training


def test_the_row_of_most_rounds_calibrates() -> None:
    outcomes = {}
    for reading in ServerReading:
        for servers, rounds in ((1, 1), (3, 2), (5, 4), (7, 4)):
            row = Row("CNN", BatchReading.BATCH_50, reading, servers)
            more = rounds + 5 * (reading is ServerReading.EDGES)
            outcomes[row] = Outcome(row, training(row.edges, more), "measured", 0.98, 0.975, {})
    found = calibrated(outcomes)
    chosen = Row("CNN", BatchReading.BATCH_50, ServerReading.WITH_COORDINATOR, 5)
    for row, seen in found.items():
        assert seen.calibration is not None
        assert seen.calibration.row == chosen
        assert seen.calibration.is_of(row) == (row == chosen)
    both = joules(found[chosen])
    assert both is not None
    total = float(both[0].servers_j.sum()) + both[1]
    assert joules_to_kwh(total) == pytest.approx(BY_NAME["CNN"].paper_kwh(5))


def test_perplexity_is_that_of_text() -> None:
    result = {"development": [{"loss": 3.0}, {"loss": 2.0}]}
    for name, expected in (("LSTM", math.exp(2.0)), ("MLP", math.nan)):
        row = Row(name, BatchReading.BATCH_50, ServerReading.EDGES, 1)
        seen = Outcome(row, None, "measured", 0.4, 0.45, result)
        assert perplexity(seen) == pytest.approx(expected, nan_ok=True)


def result(rounds: int, target: float = 0.975) -> dict[str, Any]:
    """A training of the MLP that reaches its target in its last round."""
    return {
        "cell": {"target_fraction": target},
        "development": [{"accuracy": 0.5, "loss": 1.0}] * (rounds - 1) + [{"accuracy": 0.98, "loss": 0.1}],
        "num_train": 60_000,
        "train_flop_per_example": 6e5,
        "model_bytes": 636_040,
        "parameters": 159_010,
        "diverged": "",
    }


def block(
    rounds: dict[int, int], basis: str, reading: ServerReading = REFERENCE_SERVERS
) -> dict[Row, Outcome]:
    every = {Row("MLP", BatchReading.AS_PRINTED, reading, n): r for n, r in rounds.items()}
    return {row: outcome(row, result(r), basis) for row, r in every.items()}


def test_both_tables_of_errors_say_the_same_of_a_block() -> None:
    world = placement.intensities()
    edges = block({3: 2, 5: 2}, "shipped: before", ServerReading.EDGES)
    whole = calibrated(block({1: 2, 3: 3, 11: 6}, "measured") | edges)
    scaled = calibrated(block({1: 1, 3: 2, 5: 3, 7: 4, 9: 4}, "scaled: smaller"))
    shown = scaled | whole
    frame = table(shown, {}, world)
    found = errors(frame)
    turns = calibrations(shown, whole, scaled)
    assert set(found["size"]) == {"whole", "scaled"}
    keys = ["model", "reading_e_b", "reading_servers", "size"]
    both = found.merge(turns[turns["is_table1s"]], on=keys, suffixes=("", "_turn"))
    assert len(both) == len(found) == 3
    assert np.allclose(both["mean_error_kwh_fraction"], both["mean_error_kwh_fraction_turn"])


def test_missing_rows_are_missing_and_counts_are_whole() -> None:
    shown = calibrated(block({1: 2, 3: 3}, "measured"))
    records = table_records(table(shown, {}, placement.intensities()))
    roles = [record["role"] for record in records]
    assert (roles.count("calibrated"), roles.count("prediction")) == (1, 1)
    assert roles.count("missing") == len(records) - 2
    for record in records:
        known = record["role"] != "missing"
        assert isinstance(record["rounds"], int if known else type(None))
        assert isinstance(record["calibrated_on_servers"], int if known else type(None))


def test_every_seed_is_calibrated_on_its_own() -> None:
    world = placement.intensities()
    seeded = {
        0: calibrated(block({1: 2, 3: 3}, "measured")),
        1: calibrated(block({1: 4, 3: 3}, "shipped: so")),
    }
    frame = by_seed(seeded, world)
    assert list(frame["seed"]) == [0, 0, 1, 1]
    one = frame[frame["role"] == "calibrated"]
    assert list(one["servers"]) == [3, 1]
    assert np.allclose(one["ratio_kwh"], 1.0)
    assert by_seed({0: seeded[0]}, world).empty


def test_seeds_that_lack_rows_of_a_model_are_not_compared() -> None:
    every = {
        Row(name, REFERENCE_BATCHES, REFERENCE_SERVERS, n): outcome(
            Row(name, REFERENCE_BATCHES, REFERENCE_SERVERS, n), result(2), "measured"
        )
        for name in ("MLP", "CNN")
        for n in (1, 3)
    }
    some = {row: seen for row, seen in every.items() if (row.model, row.servers) != ("CNN", 3)}
    assert {row.model for row in covering({0: every, 1: some}, every)[0]} == {"MLP"}
    assert covering({0: every, 1: every}, every) == {0: every, 1: every}
    assert covering({0: {}}, every) == {0: {}}


def test_a_scaled_training_says_how_small_it_was() -> None:
    text = {
        "task": "shakespeare-lstm",
        "batch_size": 16,
        "batches_per_round": 1,
        "local_epochs": 1,
        "test_examples": 100,
        "target_fraction": 0.35,
    }
    said = scaled_basis(Reduction(0.106, target_fraction=0.35), text)
    for part in (
        "0.106 of the examples",
        "excerpt of 80 bytes",
        "1 mini-batch of 16",
        "100 of the test excerpts",
    ):
        assert part in said
    assert "excerpt" not in scaled_basis(Reduction(0.1), text | {"task": "mnist-mlp"})


def test_every_model_has_a_figure_for_every_row() -> None:
    for model in MODELS:
        assert len(model.batches) == len(model.energy_kwh) == len(model.carbon_g) == len(SERVERS)
    assert sum(sum(model.energy_kwh) for model in MODELS) == pytest.approx(50.2943)
