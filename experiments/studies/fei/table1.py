"""Table I: energy and grams of every row in every reading, predictions beside the paper's figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from carbon_data.units import joules_to_kwh
from edge_node.tasks.data.text import LENGTH
from experiments.studies.fei import energy, placement
from experiments.studies.fei.cell import full_round_examples
from experiments.studies.fei.federated import rounds_to
from experiments.studies.fei.spec import (
    BY_NAME,
    MODELS,
    REFERENCE_BATCHES,
    REFERENCE_SERVERS,
    SERVERS,
    BatchReading,
    Model,
    Reduction,
    ServerReading,
)


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

    @property
    def size(self) -> str:
        """``whole``, or ``scaled`` from a smaller training: each is calibrated among its own."""
        return "scaled" if "scaled" in self.basis.partition(":")[0] else "whole"


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
    if not BY_NAME[seen.row.model].is_text or not rounds:
        return float("nan")
    return math.exp(rounds[-1]["loss"])


def scaled_basis(reduction: Reduction, cell: dict[str, Any]) -> str:
    """What a smaller training stands for. ``cell``: the training's (experiments.studies.fei.cell.TrainCell)."""
    return f"scaled: {reduced(reduction, cell)}"


def reduced(reduction: Reduction, cell: dict[str, Any]) -> str:
    """What was measured by a training made smaller by ``reduction``, in ``cell``."""
    is_text = next(model.is_text for model in MODELS if model.task == cell["task"])
    tested = cell["test_examples"]
    parts = [
        f"rounds measured on {reduction.examples_fraction:.3g} of the examples",
        f"a round of a server {counted(cell['batches_per_round'], 'mini-batch', 'mini-batches')} of "
        f"{cell['batch_size']}"
        + (f" in each of {counted(cell['local_epochs'], 'epoch')}" if cell["local_epochs"] > 1 else ""),
        f"to {cell['target_fraction']:.3g} accuracy"
        + (f" on {tested} of the test {'excerpts' if is_text else 'images'}" if tested else ""),
        "then multiplied by the counted work of a full round",
    ]
    if is_text:
        parts.insert(
            1,
            f"an example being an excerpt of {LENGTH} bytes, all predicted, where the paper's samples are characters",
        )
    return ", ".join(parts)


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


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
    return _typed(pd.DataFrame(records))


def joules(seen: Outcome, flop_per_s: float | None = None) -> tuple[energy.Energy, float] | None:
    """Energy of a row, and what of the coordinator's the reading counts; None without rounds or speed.

    ``flop_per_s``: instead of the row's own calibration.
    """
    speed = flop_per_s or (seen.calibration.flop_per_s if seen.calibration else None)
    if seen.training is None or speed is None:
        return None
    used = energy.training_energy(seen.training, speed)
    return used, used.coordinator_j if seen.row.reading.has_coordinator(seen.row.servers) else 0.0


def calibrations(
    outcomes: dict[Row, Outcome], whole: dict[Row, Outcome], scaled: dict[Row, Outcome]
) -> pd.DataFrame:
    """Every row of the reference reading of servers in turn as the one that calibrates its model and size.

    Mean and worst |ours/paper - 1| in energy of the other rows of Table I (``outcomes``), block by block as in
    ``errors``. Table I keeps to the row of most rounds, whatever this says; it shows how much of the errors is that
    row's. ``whole`` and ``scaled``: all rows of a size, shown or not.
    """
    records = []
    for (name, batches, reading, size), block in _blocks(outcomes).items():
        every = scaled if size == "scaled" else whole
        chosen = block[0].calibration
        for one in every.values():
            if (one.row.model, one.row.batches, one.row.reading) != (name, batches, REFERENCE_SERVERS):
                continue
            speed = _speed(one)
            if one.training is None or speed is None:
                continue
            turn = Calibration(one.row, one.training.rounds, speed)
            off = [
                abs(kwh / BY_NAME[name].paper_kwh(seen.row.servers) - 1.0)
                for seen in block
                if not turn.is_of(seen.row) and (kwh := total_kwh(seen, speed)) is not None
            ]
            if not off:
                continue
            records.append(
                {
                    "model": name,
                    "reading_e_b": str(batches),
                    "reading_servers": str(reading),
                    "size": size,
                    "calibrated_on_servers": one.row.servers,
                    "rounds": one.training.rounds,
                    "effective_gflop_per_s": speed / 1e9,
                    "rows_predicted": len(off),
                    "mean_error_kwh_fraction": float(np.mean(off)),
                    "worst_error_kwh_fraction": float(np.max(off)),
                    "is_table1s": chosen is not None and chosen.row == one.row,
                }
            )
    return pd.DataFrame(records)


def _blocks(
    outcomes: dict[Row, Outcome],
) -> dict[tuple[str, BatchReading, ServerReading, str], list[Outcome]]:
    """Rows with rounds, by model, reading and size."""
    blocks: dict[tuple[str, BatchReading, ServerReading, str], list[Outcome]] = {}
    for row, seen in outcomes.items():
        if seen.training is not None:
            blocks.setdefault((row.model, row.batches, row.reading, seen.size), []).append(seen)
    return blocks


def total_kwh(seen: Outcome, flop_per_s: float | None = None) -> float | None:
    """Energy that the reading counts, kWh; as ``joules``."""
    both = joules(seen, flop_per_s)
    return None if both is None else joules_to_kwh(float(both[0].servers_j.sum()) + both[1])


def covering(
    seeded: dict[int, dict[Row, Outcome]], first: dict[Row, Outcome]
) -> dict[int, dict[Row, Outcome]]:
    """``seeded`` for those models only whose reference rows, as far as ``first`` has them whole, all seeds have.

    A seed that lacks rows would be calibrated, and judged, on others than Table I.
    """
    wanted = {
        row
        for row, seen in first.items()
        if seen.size == "whole" and (row.batches, row.reading) == (REFERENCE_BATCHES, REFERENCE_SERVERS)
    }
    common = set.intersection(*(set(outcomes) for outcomes in seeded.values())) if seeded else set()
    lacking = {row.model for row in wanted - common}
    return {
        seed: {row: seen for row, seen in outcomes.items() if row.model not in lacking}
        for seed, outcomes in seeded.items()
    }


def by_seed(seeded: dict[int, dict[Row, Outcome]], world: placement.Intensities) -> pd.DataFrame:
    """The rows that were trained from several seeds: one row per seed and row of Table I, columns as of ``table``.

    Each seed is calibrated on its own row of most rounds. Empty with fewer than two seeds.
    """
    if len(seeded) < 2:
        return pd.DataFrame(columns=SEED_COLUMNS)
    records = [
        {"seed": seed, **_record(row, BY_NAME[row.model], seen, "", world)}
        for seed, outcomes in sorted(seeded.items())
        for row, seen in outcomes.items()
    ]
    return _typed(pd.DataFrame(records, columns=SEED_COLUMNS))


SEED_COLUMNS = [
    "model",
    "reading_e_b",
    "reading_servers",
    "servers",
    "seed",
    "basis",
    "size",
    "target_fraction",
    "accuracy_fraction",
    "rounds",
    "role",
    "calibrated_on_servers",
    "flop_per_server",
    "paper_kwh",
    "ours_kwh",
    "ratio_kwh",
    "paper_g",
    "sorted_g",
    "ratio_g",
    "random_mean_g",
]


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers as such, also where some are missing."""
    whole = [name for name in ("rounds", "calibrated_on_servers", "calibrated_on_rounds") if name in frame]
    return frame.astype(dict.fromkeys(whole, "Int64"))


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
        trained, predicted = total_kwh(whole), total_kwh(small)
        if trained is None or predicted is None or whole.training is None or small.training is None:
            continue
        records.append(
            {
                "model": row.model,
                "reading_e_b": str(row.batches),
                "reading_servers": str(row.reading),
                "servers": row.servers,
                "trained_rounds": whole.training.rounds,
                "scaled_rounds": small.training.rounds,
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
        "size": None if seen is None else seen.size,
        "target_fraction": np.nan if seen is None else seen.target_fraction,
        "accuracy_fraction": np.nan if seen is None else seen.accuracy,
        "perplexity": np.nan if seen is None else perplexity(seen),
        "rounds": np.nan,
        "implied_rounds": np.nan,
        "role": "missing",
        "calibrated_on_servers": np.nan,
        "calibrated_on_rounds": np.nan,
        "flop_per_server": np.nan,
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
    record |= {
        "rounds": seen.training.rounds,
        "flop_per_server": seen.training.rounds * seen.training.flop_per_round,
    }
    found = joules(seen)
    if found is None or seen.calibration is None:
        return record | {
            "basis": f"{seen.basis}; no energy: no trained row of the reference reading to calibrate with",
        }
    used, coordinator_j = found
    ours_kwh = joules_to_kwh(float(used.servers_j.sum()) + coordinator_j)
    grams = placement.sorted_grams(world, used.servers_j, coordinator_j)
    low, high = placement.start_spread(world, used.servers_j, coordinator_j, used.duration_s)
    drawn = placement.random_grams(world, used.servers_j, coordinator_j)
    return record | {
        "implied_rounds": seen.training.rounds * paper_kwh / ours_kwh,
        "ours_kwh": ours_kwh,
        "ratio_kwh": ours_kwh / paper_kwh,
        "coordinator_kwh": joules_to_kwh(used.coordinator_j),
        "network_kwh": joules_to_kwh(used.network_j),
        "sorted_g": grams,
        "ratio_g": grams / paper_g,
        "sorted_low_start_g": low,
        "sorted_high_start_g": high,
        "random_mean_g": placement.random_mean_grams(world, used.servers_j, coordinator_j),
        "random_low_g": float(np.quantile(drawn, 0.025)),
        "random_high_g": float(np.quantile(drawn, 0.975)),
        "duration_s": used.duration_s,
        "role": "calibrated" if seen.calibration.is_of(row) else "prediction",
        "calibrated_on_servers": seen.calibration.row.servers,
        "calibrated_on_rounds": seen.calibration.rounds,
        "effective_gflop_per_s": seen.calibration.flop_per_s / 1e9,
        "static_fraction": used.static_fraction,
    }


def errors(frame: pd.DataFrame) -> pd.DataFrame:
    """How far the predictions lie off, by model, reading and size: mean and worst |ours/paper - 1|, rows predicted.

    Whole rows and scaled ones of a reading are two blocks, since each size is calibrated on a row of its own.
    """
    block = ["model", "reading_e_b", "reading_servers", "size"]
    predicted = frame[frame["role"] == "prediction"]
    records = []
    for keys, part in predicted.groupby(block, sort=False):
        off_kwh, off_g = (part["ratio_kwh"] - 1.0).abs(), (part["ratio_g"] - 1.0).abs()
        one = part.iloc[0]
        records.append(
            dict(zip(block, keys, strict=True))
            | {
                "rows_predicted": len(part),
                "mean_error_kwh_fraction": float(off_kwh.mean()),
                "worst_error_kwh_fraction": float(off_kwh.max()),
                "mean_error_g_fraction": float(off_g.mean()),
                "worst_error_g_fraction": float(off_g.max()),
                "calibrated_on_servers": int(one["calibrated_on_servers"]),
                "calibrated_on_rounds": int(one["calibrated_on_rounds"]),
                "effective_gflop_per_s": float(one["effective_gflop_per_s"]),
            }
        )
    columns = [
        *block,
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
