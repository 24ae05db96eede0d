"""Table I: energy and grams of every row in every reading, predictions beside the paper's figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from carbon_data.units import joules_to_kwh
from experiments.fei import energy, placement
from experiments.fei.federated import rounds_to
from experiments.fei.spec import (
    BY_NAME,
    MODELS,
    REFERENCE_SERVERS,
    SERVERS,
    BatchReading,
    Model,
    Reduction,
    ServerReading,
)
from experiments.fei.training import full_round_examples


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


@dataclass(frozen=True, slots=True)
class Calibration:
    """The one row of a model, reading of E and B, and size of training that sets the board's speed."""

    row: Row
    rounds: int
    flop_per_s: float

    def is_of(self, row: Row) -> bool:
        """Whether ``row`` is the calibrated one; one server alone is the same in both readings of servers."""
        return row == self.row or row.servers == self.row.servers == 1


@dataclass(frozen=True)
class Outcome:
    """What was measured for a row, as work of the paper's size."""

    row: Row
    training: energy.Training | None
    """None: the target was not reached in the rounds allowed."""
    basis: str
    """Where its rounds come from, in words; before a colon, if there is one, in short: measured, shipped, scaled, or
    "shipped, scaled"."""
    accuracy: float
    target_fraction: float
    result: dict[str, Any]
    calibration: Calibration | None = None
    """None: no row to calibrate with."""


def outcome(row: Row, result: dict[str, Any], basis: str) -> Outcome:
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
    return Outcome(row, training, basis, accuracy, target, result)


def perplexity(seen: Outcome) -> float:
    """exp(loss in nat) of a text model after its last round; images have none (NaN)."""
    rounds = seen.result["development"]
    if BY_NAME[seen.row.model].data != "shakespeare" or not rounds:
        return float("nan")
    return math.exp(rounds[-1]["loss"])


def scaled_basis(reduction: Reduction, target_fraction: float) -> str:
    """What a smaller training stands for."""
    return f"scaled: {reduced(reduction, target_fraction)}"


def reduced(reduction: Reduction, target_fraction: float) -> str:
    """What was measured by a training made smaller by ``reduction``."""
    return (
        f"rounds measured on {reduction.examples_fraction:.3g} of the examples, to "
        f"{target_fraction:.3g} accuracy, then multiplied by the counted work of a full round"
    )


def calibrated(outcomes: dict[Row, Outcome]) -> dict[Row, Outcome]:
    """``outcomes`` (all of the paper's size, or all scaled) with what calibrates them.

    Of the rows in the reference reading of servers, the one of most rounds, of equal ones that of fewest servers.
    Rounds are whole: r of them leave the work that was needed anywhere in (r - 1, r], so
    a row of one round says little about the board's speed, and one of eight says it to an eighth.
    """
    found: dict[tuple[str, BatchReading], Calibration] = {}
    order = sorted(
        (s for s in outcomes.values() if s.training is not None and s.row.reading is REFERENCE_SERVERS),
        key=lambda s: (-s.training.rounds if s.training else 0, s.row.servers),
    )
    for seen in order:
        key = (seen.row.model, seen.row.batches)
        if key not in found and seen.training is not None and (speed := _speed(seen)) is not None:
            found[key] = Calibration(seen.row, seen.training.rounds, speed)
    return {
        row: replace(seen, calibration=found.get((row.model, row.batches))) for row, seen in outcomes.items()
    }


def table(outcomes: dict[Row, Outcome], absent: dict[Row, str], world: placement.Intensities) -> pd.DataFrame:
    """One row per row of Table I and reading: paper, ours, ratio. What is missing is NaN, with its reason.

    ``absent``: why rows are not there, in words.
    """
    records = []
    for model in MODELS:
        for batches in BatchReading:
            for reading in ServerReading:
                for servers in SERVERS:
                    row = Row(model.name, batches, reading, servers)
                    why = absent.get(row, "not trained at this effort")
                    records.append(_record(row, model, outcomes.get(row), why, world))
    return pd.DataFrame(records)


def joules(seen: Outcome, flop_per_s: float | None = None) -> tuple[energy.Energy, float] | None:
    """Energy of a row, and what of the coordinator's the reading counts; None without rounds or speed.

    ``flop_per_s``: instead of the row's own calibration.
    """
    speed = flop_per_s or (seen.calibration.flop_per_s if seen.calibration else None)
    if seen.training is None or speed is None:
        return None
    used = energy.training_energy(seen.training, speed)
    return used, used.coordinator_j if seen.row.reading.has_coordinator(seen.row.servers) else 0.0


def calibrations(outcomes: dict[Row, Outcome]) -> pd.DataFrame:
    """Every row in turn as the one that calibrates: mean |ours/paper - 1| in energy of the other rows of its block.

    Table I keeps to the row of most rounds, whatever this says; it shows how much of the errors is that row's.
    """
    blocks: dict[tuple[str, BatchReading, ServerReading], list[Outcome]] = {}
    for row, seen in outcomes.items():
        if seen.training is not None:
            blocks.setdefault((row.model, row.batches, row.reading), []).append(seen)
    records = []
    for (name, batches, reading), block in blocks.items():
        for one in block:
            others = [seen for seen in block if seen.row != one.row]
            speed = _speed(one)
            if speed is None or not others:
                continue
            ours = [joules(seen, speed) for seen in others]
            off = [
                abs(
                    joules_to_kwh(float(both[0].servers_j.sum()) + both[1])
                    / BY_NAME[name].paper_kwh(seen.row.servers)
                    - 1.0
                )
                for seen, both in zip(others, ours, strict=True)
                if both is not None
            ]
            records.append(
                {
                    "model": name,
                    "reading_e_b": str(batches),
                    "reading_servers": str(reading),
                    "calibrated_on_servers": one.row.servers,
                    "rounds": 0 if one.training is None else one.training.rounds,
                    "effective_gflop_per_s": speed / 1e9,
                    "rows_predicted": len(off),
                    "mean_error_kwh_fraction": float(np.mean(off)),
                    "worst_error_kwh_fraction": float(np.max(off)),
                }
            )
    return pd.DataFrame(records)


def _speed(seen: Outcome) -> float | None:
    if seen.training is None:
        return None
    paper = BY_NAME[seen.row.model].paper_kwh(seen.row.servers)
    counts = seen.row.reading.has_coordinator(seen.row.servers)
    return energy.flop_per_s_for(seen.training, paper, with_coordinator=counts)


def _calibrates(seen: Outcome) -> bool:
    return seen.calibration is not None and seen.calibration.is_of(seen.row)


def scaling_check(outcomes: dict[Row, Outcome], scaled: dict[Row, Outcome]) -> pd.DataFrame:
    """Scaled rows whose training of the paper's size is known: how far scaling lies off it."""
    records = []
    for row, small in scaled.items():
        whole = outcomes.get(row)
        if whole is None or (_calibrates(whole) and _calibrates(small)):
            continue
        one, other = joules(whole), joules(small)
        if one is None or other is None or whole.training is None or small.training is None:
            continue
        trained, predicted = (joules_to_kwh(float(u.servers_j.sum()) + c) for u, c in (one, other))
        records.append(
            {
                "model": row.model,
                "reading_e_b": str(row.batches),
                "reading_servers": str(row.reading),
                "servers": row.servers,
                "trained_rounds": float(whole.training.rounds),
                "scaled_rounds": float(small.training.rounds),
                "trained_kwh": trained,
                "scaled_kwh": predicted,
                "error_fraction": predicted / trained - 1.0,
            }
        )
    columns = ["model", "reading_e_b", "reading_servers", "servers", "trained_rounds", "scaled_rounds"]
    return pd.DataFrame(records, columns=[*columns, "trained_kwh", "scaled_kwh", "error_fraction"])


def _record(
    row: Row,
    model: Model,
    seen: Outcome | None,
    why_absent: str,
    world: placement.Intensities,
) -> dict[str, Any]:
    paper_kwh, paper_g = model.paper_kwh(row.servers), model.paper_g(row.servers)
    record: dict[str, Any] = {
        "model": row.model,
        "reading_e_b": str(row.batches),
        "reading_servers": str(row.reading),
        "servers": row.servers,
        "edges": row.edges,
        "basis": why_absent if seen is None else seen.basis,
        "target_fraction": np.nan if seen is None else seen.target_fraction,
        "accuracy_fraction": np.nan if seen is None else seen.accuracy,
        "perplexity": np.nan if seen is None else perplexity(seen),
        "rounds": np.nan,
        "implied_rounds": np.nan,
        "role": "prediction",
        "calibrated_on_servers": np.nan,
        "calibrated_on_rounds": np.nan,
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
    if seen is None:
        return record
    if seen.training is None:
        rounds = len(seen.result["development"])
        why = seen.result["diverged"] or f"target {seen.target_fraction:.3g} not reached in {rounds} rounds"
        return record | {"basis": why}
    found = joules(seen)
    if found is None or seen.calibration is None:
        return record | {
            "rounds": float(seen.training.rounds),
            "basis": f"{seen.basis}; no energy: no trained row of the reference reading to calibrate with",
        }
    used, coordinator_j = found
    ours_kwh = joules_to_kwh(float(used.servers_j.sum()) + coordinator_j)
    grams = placement.sorted_grams(world, used.servers_j, coordinator_j)
    low, high = placement.start_spread(world, used.servers_j, coordinator_j, used.duration_s)
    drawn = placement.random_grams(world, used.servers_j, coordinator_j)
    return record | {
        "rounds": float(seen.training.rounds),
        "implied_rounds": seen.training.rounds * paper_kwh / ours_kwh,
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
        "role": "calibrated" if seen.calibration.is_of(row) else "prediction",
        "calibrated_on_servers": float(seen.calibration.row.servers),
        "calibrated_on_rounds": float(seen.calibration.rounds),
        "effective_gflop_per_s": seen.calibration.flop_per_s / 1e9,
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
                "calibrated_on_servers": float(part["calibrated_on_servers"].iloc[0]),
                "calibrated_on_rounds": float(part["calibrated_on_rounds"].iloc[0]),
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
        "calibrated_on_servers",
        "calibrated_on_rounds",
        "effective_gflop_per_s",
    ]
    return pd.DataFrame(records, columns=columns)
