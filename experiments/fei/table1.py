"""Table I: energy and grams of every row in every reading, predictions beside the paper's figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from carbon_data.units import joules_to_kwh
from experiments.fei import energy, placement
from experiments.fei.federated import rounds_to
from experiments.fei.spec import (
    BY_NAME,
    MODELS,
    REFERENCE_BATCHES,
    REFERENCE_SERVERS,
    SERVERS,
    BatchReading,
    Effort,
    Model,
    Reduction,
    ServerReading,
)
from experiments.fei.training import TrainCell, cell_for, full_round_examples


@dataclass(frozen=True, slots=True)
class Row:
    """One row of Table I in one reading."""

    model: str
    batches: BatchReading
    reading: ServerReading
    servers: int

    @property
    def edges(self) -> int:
        return self.reading.edges(self.servers)


def rows(effort: Effort) -> list[Row]:
    """Rows that this effort trains."""
    return [
        Row(name, batches, reading, servers)
        for (name, batches), reduction in effort.trainings.items()
        for reading in reduction.readings
        for servers in reduction.servers
    ]


def training_cells(
    effort: Effort, data: dict[str, tuple[str, int]], recycled: tuple[Row, ...] = ()
) -> dict[Row, TrainCell]:
    """The training behind each row; rows may share one. ``data``: name and training examples by model."""
    cells = {}
    wanted = {(row.model, row.batches, row.edges, row.servers) for row in recycled}
    for row in rows(effort):
        model = BY_NAME[row.model]
        name, num_train = data[row.model]
        cells[row] = cell_for(
            model,
            name,
            num_train,
            row.batches,
            row.servers,
            row.edges,
            effort.trainings[row.model, row.batches],
            recycle=(row.model, row.batches, row.edges, row.servers) in wanted,
        )
    return cells


def companion_cells(effort: Effort, data: dict[str, tuple[str, int]]) -> dict[Row, TrainCell]:
    """Rows of the MLP in the reference readings, trained as small as the CNN's where those are reduced.

    So that the two models can be compared on the same examples, to the same accuracy.
    """
    reduction = effort.trainings.get(("CNN", REFERENCE_BATCHES))
    if reduction is None or not reduction.is_scaled or "MLP" not in data:
        return {}
    name, num_train = data["MLP"]
    found = {}
    for servers in reduction.servers:
        row = Row("MLP", REFERENCE_BATCHES, REFERENCE_SERVERS, servers)
        found[row] = cell_for(BY_NAME["MLP"], name, num_train, row.batches, servers, row.edges, reduction)
    return found


@dataclass(frozen=True)
class Outcome:
    """What was measured for a row, as work of the paper's size."""

    row: Row
    training: energy.Training | None
    """None: the target was not reached in the rounds allowed."""
    basis: str
    accuracy: float
    target_fraction: float
    result: dict[str, Any]


def outcome(row: Row, result: dict[str, Any], reduction: Reduction) -> Outcome:
    """Rounds as measured, work per round as counted for the paper's size."""
    model = BY_NAME[row.model]
    target = float(result["cell"]["target_fraction"])
    rounds = rounds_to(result["development"], target)
    examples = full_round_examples(model, result["num_train"], row.batches, row.servers, row.edges)
    training = None
    if rounds is not None:
        training = energy.Training(
            edges=row.edges,
            rounds=rounds,
            flop_per_round=examples * result["train_flop_per_example"],
            model_bytes=result["model_bytes"],
            parameters=result["parameters"],
        )
    accuracy = result["development"][-1]["accuracy"] if result["development"] else float("nan")
    return Outcome(row, training, basis(reduction, target), accuracy, target, result)


def basis(reduction: Reduction, target_fraction: float) -> str:
    """Where a row's rounds come from, in words."""
    if not reduction.is_scaled:
        return "measured"
    return (
        f"scaled: rounds measured on {reduction.examples_fraction:.3g} of the examples, to "
        f"{target_fraction:.3g} accuracy, then multiplied by the counted work of a full round"
    )


def speeds(outcomes: dict[Row, Outcome]) -> dict[tuple[str, BatchReading], float]:
    """Calibrated speed by model and reading of E and B, from the row of one server."""
    found = {}
    for row, seen in outcomes.items():
        if row.servers == energy.CALIBRATED_SERVERS and seen.training is not None:
            paper = BY_NAME[row.model].paper_kwh(row.servers)
            found[row.model, row.batches] = energy.calibrated_flop_per_s(seen.training, paper)
    return found


def table(outcomes: dict[Row, Outcome], world: placement.Intensities) -> pd.DataFrame:
    """One row per row of Table I and reading: paper, ours, ratio. What was not trained is missing (NaN)."""
    by_speed = speeds(outcomes)
    records = []
    for model in MODELS:
        for batches in BatchReading:
            for reading in ServerReading:
                for servers in SERVERS:
                    row = Row(model.name, batches, reading, servers)
                    records.append(_record(row, model, outcomes.get(row), by_speed, world))
    return pd.DataFrame(records)


def _record(
    row: Row,
    model: Model,
    seen: Outcome | None,
    by_speed: dict[tuple[str, BatchReading], float],
    world: placement.Intensities,
) -> dict[str, Any]:
    paper_kwh, paper_g = model.paper_kwh(row.servers), model.paper_g(row.servers)
    record: dict[str, Any] = {
        "model": row.model,
        "reading_e_b": str(row.batches),
        "reading_servers": str(row.reading),
        "servers": row.servers,
        "edges": row.edges,
        "basis": "not trained at this effort" if seen is None else seen.basis,
        "target_fraction": np.nan if seen is None else seen.target_fraction,
        "accuracy_fraction": np.nan if seen is None else seen.accuracy,
        "rounds": np.nan,
        "role": "calibrated" if row.servers == energy.CALIBRATED_SERVERS else "prediction",
        "paper_kwh": paper_kwh,
        "ours_kwh": np.nan,
        "ratio_kwh": np.nan,
        "coordinator_kwh": np.nan,
        "network_kwh": np.nan,
        "paper_g": paper_g,
        "sorted_g": np.nan,
        "ratio_g": np.nan,
        "sorted_low_start_g": np.nan,
        "sorted_high_start_g": np.nan,
        "random_mean_g": np.nan,
        "random_low_g": np.nan,
        "random_high_g": np.nan,
        "duration_s": np.nan,
        "effective_gflop_per_s": np.nan,
        "static_fraction": np.nan,
    }
    speed = by_speed.get((row.model, row.batches))
    if seen is None or speed is None:
        return record
    if seen.training is None:
        rounds = len(seen.result["development"])
        why = seen.result["diverged"] or f"target {seen.target_fraction:.3g} not reached in {rounds} rounds"
        return record | {"basis": why}
    used = energy.training_energy(seen.training, speed)
    coordinator_j = used.coordinator_j if row.reading.has_coordinator(row.servers) else 0.0
    ours_kwh = joules_to_kwh(float(used.servers_j.sum()) + coordinator_j)
    grams = placement.sorted_grams(world, used.servers_j, coordinator_j)
    low, high = placement.start_spread(world, used.servers_j, coordinator_j, used.duration_s)
    drawn = placement.random_grams(world, used.servers_j, coordinator_j)
    return record | {
        "rounds": float(seen.training.rounds),
        "ours_kwh": ours_kwh,
        "ratio_kwh": ours_kwh / paper_kwh,
        "coordinator_kwh": joules_to_kwh(used.coordinator_j),
        "network_kwh": joules_to_kwh(used.network_j),
        "sorted_g": grams,
        "ratio_g": grams / paper_g,
        "sorted_low_start_g": low,
        "sorted_high_start_g": high,
        "random_mean_g": float(drawn.mean()),
        "random_low_g": float(np.quantile(drawn, 0.025)),
        "random_high_g": float(np.quantile(drawn, 0.975)),
        "duration_s": used.duration_s,
        "effective_gflop_per_s": speed / 1e9,
        "static_fraction": used.static_fraction,
    }


def errors(frame: pd.DataFrame) -> pd.DataFrame:
    """How far the predictions lie off, by model and reading: mean and worst |ours/paper - 1|, rows predicted."""
    predicted = frame[(frame["role"] == "prediction") & frame["ours_kwh"].notna()]
    records = []
    for keys, part in predicted.groupby(["model", "reading_e_b", "reading_servers"], sort=False):
        off_kwh, off_g = (part["ratio_kwh"] - 1.0).abs(), (part["ratio_g"] - 1.0).abs()
        records.append(
            {
                "model": keys[0],
                "reading_e_b": keys[1],
                "reading_servers": keys[2],
                "rows_predicted": len(part),
                "mean_error_kwh_fraction": float(off_kwh.mean()),
                "worst_error_kwh_fraction": float(off_kwh.max()),
                "mean_error_g_fraction": float(off_g.mean()),
                "worst_error_g_fraction": float(off_g.max()),
                "effective_gflop_per_s": float(part["effective_gflop_per_s"].iloc[0]),
            }
        )
    columns = [
        "model",
        "reading_e_b",
        "reading_servers",
        "rows_predicted",
        "mean_error_kwh_fraction",
        "worst_error_kwh_fraction",
        "mean_error_g_fraction",
        "worst_error_g_fraction",
        "effective_gflop_per_s",
    ]
    return pd.DataFrame(records, columns=columns)
