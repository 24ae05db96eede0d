"""Table I at other learning rates: how much of its errors is the choice of a rate, which the paper does not report.

Rows of the reference readings, one training seed, each rate calibrated on its own row of most rounds. The MLP is
trained at the paper's size; CNN and LSTM are scaled at every rate (``RATE_REDUCTIONS``), the CNN's own included.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.studies.fei.spec import (
    BY_NAME,
    MODELS,
    RATE_REDUCTIONS,
    REFERENCE_BATCHES,
    REFERENCE_SERVERS,
    SERVERS,
)
from experiments.studies.fei.table1 import Outcome, Row, calibrated, total_kwh

COLUMNS = [
    "model",
    "learning_rate",
    "is_own",
    "servers",
    "basis",
    "size",
    "rounds",
    "role",
    "paper_kwh",
    "ours_kwh",
    "error_kwh_fraction",
]
ERROR_COLUMNS = [
    "model",
    "learning_rate",
    "is_own",
    "size",
    "rounds",
    "servers",
    "rows_predicted",
    "mean_error_kwh_fraction",
    "worst_error_kwh_fraction",
    "own_mean_error_kwh_fraction",
    "calibrated_on_servers",
    "effective_gflop_per_s",
]
ABSENT = "not trained at this effort (--train or --full)"


def own(
    outcomes: dict[Row, Outcome], scaled: dict[Row, Outcome]
) -> dict[tuple[str, float], dict[Row, Outcome]]:
    """Rows of the reference readings at each model's own rate, by model and rate, in the size of its other rates:
    as Table I has them, or from the smaller trainings where the other rates have those."""

    def reference(name: str, rows: dict[Row, Outcome]) -> dict[Row, Outcome]:
        reading = (name, REFERENCE_BATCHES, REFERENCE_SERVERS)
        return {row: seen for row, seen in rows.items() if (row.model, row.batches, row.reading) == reading}

    return {
        (model.name, model.learning_rate): (
            (reference(model.name, scaled) if RATE_REDUCTIONS[model.name].is_scaled else {})
            or reference(model.name, outcomes)
        )
        for model in MODELS
    }


def table(by_rate: dict[tuple[str, float], dict[Row, Outcome]]) -> pd.DataFrame:
    """One row per model, rate and number of servers; missing ones with their reason."""
    records = []
    for (name, rate), outcomes in sorted(by_rate.items(), key=lambda item: (_place(item[0][0]), item[0][1])):
        seen_by_servers = {row.servers: seen for row, seen in calibrated(outcomes).items()}
        for servers in SERVERS:
            records.append(_record(name, rate, servers, seen_by_servers.get(servers)))
    return pd.DataFrame(records, columns=[*COLUMNS, "flop_per_s"]).astype({"rounds": "Int64"})


def errors(by_rate: dict[tuple[str, float], dict[Row, Outcome]]) -> pd.DataFrame:
    """Mean and worst |ours / paper - 1| of the predicted rows by model and rate.

    ``own_mean_error_kwh_fraction`` is that of the model's own rate over the same rows, calibrated among them.
    """
    frame, records = table(by_rate), []
    for (name, rate), part in frame.groupby(["model", "learning_rate"], sort=False):
        there = part[part["ours_kwh"].notna()]
        off, calibrating = _off(part), there[there["role"] == "calibrated"]
        own_rate = BY_NAME[str(name)].learning_rate
        base = by_rate.get((str(name), own_rate), {})
        alike = {row: seen for row, seen in base.items() if row.servers in set(there["servers"])}
        records.append(
            {
                "model": name,
                "learning_rate": rate,
                "is_own": bool(part["is_own"].iloc[0]),
                "size": ", ".join(there["size"].dropna().unique()),
                "rounds": ", ".join(str(n) for n in there["rounds"].tolist()),
                "servers": ", ".join(str(n) for n in there["servers"].tolist()),
                "rows_predicted": len(off),
                "mean_error_kwh_fraction": off.mean(),
                "worst_error_kwh_fraction": off.max(),
                "own_mean_error_kwh_fraction": _off(table({(str(name), own_rate): alike})).mean(),
                "calibrated_on_servers": calibrating["servers"].iloc[0] if len(calibrating) else None,
                "effective_gflop_per_s": there["flop_per_s"].iloc[0] / 1e9 if len(there) else float("nan"),
            }
        )
    return pd.DataFrame(records, columns=ERROR_COLUMNS).astype({"calibrated_on_servers": "Int64"})


def _off(frame: pd.DataFrame) -> pd.Series:
    """Sizes of the errors of predicted rows."""
    return frame[frame["role"] == "prediction"]["error_kwh_fraction"].astype(float).abs()


def _place(name: str) -> int:
    return [model.name for model in MODELS].index(name)


def _record(name: str, rate: float, servers: int, seen: Outcome | None) -> dict[str, Any]:
    model = BY_NAME[name]
    paper = model.paper_kwh(servers)
    record: dict[str, Any] = {
        "model": name,
        "learning_rate": rate,
        "is_own": rate == model.learning_rate,
        "servers": servers,
        "basis": ABSENT if seen is None else seen.basis,
        "size": None if seen is None else seen.size,
        "rounds": None,
        "role": "missing",
        "paper_kwh": paper,
        "ours_kwh": None,
        "error_kwh_fraction": None,
        "flop_per_s": None,
    }
    if seen is None:
        return record
    if seen.training is None:
        rounds = len(seen.result["development"])
        why = seen.result["diverged"] or f"target {seen.target_fraction:.3g} not reached in {rounds} rounds"
        return record | {"basis": f"{seen.basis}; {why}"}
    record["rounds"] = seen.training.rounds
    kwh = total_kwh(seen)
    if kwh is None or seen.calibration is None:
        return record
    return record | {
        "role": "calibrated" if seen.calibration.is_of(seen.row) else "prediction",
        "ours_kwh": kwh,
        "error_kwh_fraction": kwh / paper - 1.0,
        "flop_per_s": seen.calibration.flop_per_s,
    }
