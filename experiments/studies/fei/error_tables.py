"""How far predictions are off: by reading, by the row that calibrates, and by scaling."""

from __future__ import annotations

import pandas as pd

from experiments.report.tables import Column, Table
from experiments.report.units import number, percent
from experiments.studies.fei.columns import (
    READING_COLUMNS,
    READINGS,
    SERVERS_COLUMN,
    SIZE_COLUMN,
    SIZES,
    both_readings,
    whole,
)


def errors(frame: pd.DataFrame) -> Table:
    """Errors of the predictions."""
    return Table(
        name="errors",
        caption="Errors of the predicted rows, |ours / paper - 1|",
        frame=frame,
        shown=frame.assign(reading=both_readings(frame)),
        columns=(
            *READING_COLUMNS,
            SIZE_COLUMN,
            Column("rows_predicted", "rows", whole),
            Column("mean_error_kwh_fraction", "kWh, mean", percent),
            Column("worst_error_kwh_fraction", "kWh, worst", percent),
            Column("mean_error_g_fraction", "g, mean", percent),
            Column("worst_error_g_fraction", "g, worst", percent),
            Column("calibrated_on_servers", "calibrated on n", whole),
            Column("calibrated_on_rounds", "its rounds", whole),
            Column("effective_gflop_per_s", "GFLOP/s", number),
        ),
        note=(
            READINGS
            + SIZES
            + "Grams: sorted placement. GFLOP/s: the calibrated speed, a test of the reading (the board's peak is 48). "
            "Rounds are whole: r rounds of the calibrated row leave its work anywhere in (r - 1, r], so with few of "
            "them all predictions of a block share an error of up to one round in r."
        ),
    )


def calibrations(frame: pd.DataFrame) -> Table:
    """Errors of each block by the row that calibrates it."""
    wide = frame.assign(
        reading=both_readings(frame),
        text=[
            percent(v) + ("*" if used else "")
            for v, used in zip(frame["mean_error_kwh_fraction"], frame["is_table1s"], strict=True)
        ],
    ).pivot(index=["model", "reading", "size"], columns="calibrated_on_servers", values="text")
    wide.columns = [f"n{n}" for n in wide.columns]
    return Table(
        name="calibrations",
        caption="Mean error in energy of the other rows, by the row that calibrates",
        frame=frame,
        shown=wide.reset_index(),
        columns=(
            *READING_COLUMNS,
            SIZE_COLUMN,
            *(Column(name, f"n = {name[1:]}", str) for name in wide.columns),
        ),
        note="The calibrating row is one of n − 1 edge servers, of the same size, in both readings of servers. * the "
        "row of most rounds, which Table I uses whatever its error; its figure is the mean in the table of errors. "
        "Rounds are whole: a row of one or two says little about the speed, and shows as a column of large errors.",
    )


def scaling(check: pd.DataFrame) -> Table:
    """How well scaling predicts trainings that are known."""
    return Table(
        name="scaling",
        caption="Scaling checked: small trainings against trainings of the paper's size",
        frame=check,
        shown=check.assign(reading=both_readings(check)),
        columns=(
            *READING_COLUMNS,
            SERVERS_COLUMN,
            Column("trained_rounds", "rounds, trained", whole),
            Column("scaled_rounds", "rounds, small training", whole),
            Column("trained_kwh", "kWh, trained", number),
            Column("scaled_kwh", "kWh, scaled", number),
            Column("error_fraction", "error", percent),
        ),
        note=(
            "Both calibrated on their own row of most rounds, left out where it is the same; the error is that "
            f"of the ratios of rounds, {percent(float(check['error_fraction'].abs().mean()), 0)} on average. It is how "
            "far to trust rows marked scaled."
        ),
    )
