"""Table I on the page: its rows, their seeds, and the verdicts in every reading."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from experiments.report.tables import Column, Table
from experiments.report.units import NO_VALUE, missing, number, percent, trimmed
from experiments.studies.fei.columns import (
    MODEL_COLUMN,
    READING_COLUMNS,
    READINGS,
    ROUNDS_COLUMN,
    SERVERS_COLUMN,
    SHORT,
    both_readings,
    one_decimal,
    two_decimals,
)
from experiments.studies.fei.spec import REFERENCE_BATCHES, REFERENCE_SERVERS


def table1(frame: pd.DataFrame) -> Table:
    """Table I side by side, rows that were trained; all rows in the CSV."""
    shown = frame.assign(
        how=frame["basis"].str.partition(":")[0],
        reading=both_readings(frame),
    )
    trained = shown[shown["ours_kwh"].notna()]
    return Table(
        name="table1",
        caption="Table I: paper, ours and ratio, in every reading that was trained",
        frame=frame,
        columns=(
            *READING_COLUMNS,
            SERVERS_COLUMN,
            ROUNDS_COLUMN,
            Column("implied_rounds", "implied", one_decimal),
            Column("how", "origin", is_number=False),
            Column("paper_kwh", "paper, Wh", _thousand),
            Column("ours_kwh", "ours, Wh", _thousand),
            Column("ratio_kwh", "ratio", two_decimals),
            Column("paper_g", "paper, g", number),
            Column("sorted_g", "sorted, g", number),
            Column("ratio_g", "ratio", two_decimals),
            Column("random_mean_g", "random, g", number),
        ),
        note=(
            READINGS
            + "Ratio: ours over the paper's; the energy of the row of most rounds is calibrated, all else predicted, "
            "each size of training apart. Implied: the rounds at which our energy would be the paper's. Measured: "
            "trained on this machine at the paper's size; shipped: so trained earlier, and part of the package; "
            "scaled: from a smaller training (its size is in the CSV's column basis); shipped, scaled: both. "
            f"{len(frame) - len(trained)} of {len(frame)} rows are missing; the CSV has them with the reason and "
            "their cost under --full, and for every row the 95 % range of random placements (their mean is exact), the "
            "range over starting hours, the duration, and the coordinator's and router's energy. "
            + _text_models(trained)
        ),
        shown=trained,
    )


def _thousand(value: float) -> str:
    """kWh as Wh."""
    return number(1000.0 * value)


def _text_models(trained: pd.DataFrame) -> str:
    """Accuracy and perplexity of the text model where its trainings in the reference readings ended."""
    reference = (trained["reading_e_b"] == str(REFERENCE_BATCHES)) & (
        trained["reading_servers"] == str(REFERENCE_SERVERS)
    )
    part = trained[reference & trained["perplexity"].notna()]
    if part.empty:
        return ""
    rows = [
        f"{percent(row['accuracy_fraction'])} and {number(row['perplexity'])} at n = {row['servers']}"
        for row in part.to_dict("records")
    ]
    return (
        "Next-character accuracy and perplexity of the LSTM at its last round, reference readings (all: CSV): "
        + ", ".join(rows)
        + "."
    )


def seeds(frame: pd.DataFrame) -> Table:
    """Rounds, energy and sorted grams of the rows that were trained from several seeds."""
    records = []
    for (name, servers), part in frame.groupby(["model", "servers"], sort=False):
        records.append(
            {
                "model": name,
                "servers": servers,
                "each": ", ".join(
                    NO_VALUE if missing(value) else str(value)
                    for value in part.sort_values("seed")["rounds"].tolist()
                ),
                "rounds": _range(part["rounds"], trimmed),
                "sorted_g": _range(part["sorted_g"]),
                "wh": _range(1000.0 * part["ours_kwh"]),
                "paper_wh": 1000.0 * part["paper_kwh"].iloc[0],
                "paper_g": part["paper_g"].iloc[0],
                **{f"{column} mean": part[column].mean() for column in ("rounds", "ours_kwh", "sorted_g")},
            }
        )
    return Table(
        name="seeds",
        caption="Rounds by seed",
        frame=frame,
        shown=pd.DataFrame(records),
        columns=(
            MODEL_COLUMN,
            SERVERS_COLUMN,
            Column("each", "rounds by seed", is_number=False),
            Column("rounds", "rounds, mean", str, sort="rounds mean"),
            Column("wh", "ours, Wh", str, sort="ours_kwh mean"),
            Column("paper_wh", "paper, Wh", number),
            Column("sorted_g", "sorted, g", str, sort="sorted_g mean"),
            Column("paper_g", "paper, g", number),
        ),
        note=(
            "Reference readings. Training seeds 0, 1, ... in their order (first model, shares, order of examples), "
            "each calibrated on its own row of most rounds; Table I and the points of the figures are seed 0. Means "
            "over the seeds, in brackets lowest and highest. " + _errors_by_seed(frame)
        ),
    )


def _errors_by_seed(frame: pd.DataFrame) -> str:
    """How far the predicted rows of a seed lie off on average, lowest to highest seed."""
    predicted = frame[frame["role"] == "prediction"]
    off = (
        (predicted["ratio_kwh"] - 1.0)
        .abs()
        .groupby([predicted["model"], predicted["seed"]], sort=False)
        .mean()
    )
    said = [
        f"{name} {percent(float(part.min()))} to {percent(float(part.max()))}"
        for name, part in off.groupby(level=0, sort=False)
    ]
    return f"Mean error in energy of a seed's predicted rows: {', '.join(said)}."


def _range(values: pd.Series[float], text: Callable[[float], str] = number) -> str:
    """Mean, lowest and highest."""
    known = values.dropna().astype(float)
    if known.empty:
        return NO_VALUE
    return f"{text(float(known.mean()))} [{text(float(known.min()))}, {text(float(known.max()))}]"


def readings(frame: pd.DataFrame) -> Table:
    """Verdicts on Table I in all four readings, a claim a row."""
    reading = both_readings(frame)
    wide = frame.assign(reading=reading).pivot(index="claim", columns="reading", values="verdict")
    wide = wide.reindex(index=frame["claim"].drop_duplicates(), columns=reading.drop_duplicates())
    reference = f"{SHORT[str(REFERENCE_BATCHES)]}, {SHORT[str(REFERENCE_SERVERS)]}"
    return Table(
        name="claims_by_reading",
        caption="Claims in every reading",
        frame=frame,
        shown=wide.reset_index(),
        columns=(
            Column("claim", "claim", is_number=False),
            *(
                Column(name, name + (" (reference)" if name == reference else ""), str, is_number=False)
                for name in wide.columns
            ),
        ),
        note=(
            READINGS
            + "The verdicts at the top are those of the reference readings, over all training seeds; other readings "
            "have one training seed. The CSV has the figures behind each."
        ),
    )
