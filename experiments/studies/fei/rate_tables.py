"""Rows and errors at other learning rates."""

from __future__ import annotations

import pandas as pd

from experiments.report.tables import Column, Table
from experiments.report.units import number, percent
from experiments.studies.fei.columns import MODEL_COLUMN, ROUNDS_COLUMN, SERVERS_COLUMN, SIZE_COLUMN, whole

RATE_COLUMN = Column("rate", "learning rate", str, sort="learning_rate")


def rate_errors(frame: pd.DataFrame) -> Table:
    """Errors of the predictions by learning rate."""
    return Table(
        name="rate_errors",
        caption="Errors by learning rate, |ours / paper - 1| in energy",
        frame=frame,
        shown=frame.assign(rate=_rate(frame)),
        columns=(
            MODEL_COLUMN,
            RATE_COLUMN,
            SIZE_COLUMN,
            Column("servers", "rows, n", is_number=False),
            Column("rounds", "rounds", is_number=False),
            Column("rows_predicted", "predicted", whole),
            Column("mean_error_kwh_fraction", "mean", percent),
            Column("worst_error_kwh_fraction", "worst", percent),
            Column("own_mean_error_kwh_fraction", "mean, own rate, same rows", percent),
            Column("calibrated_on_servers", "calibrated on n", whole),
            Column("effective_gflop_per_s", "GFLOP/s", number),
        ),
        note=(
            "Reference readings, one training seed. * the study's rate, a choice, since the paper reports none: its "
            "errors are those of this choice as well. CNN and LSTM are scaled at every rate, the CNN at its own too, "
            "which Table I has whole."
        ),
    )


def rates(frame: pd.DataFrame) -> Table:
    """Rows behind the errors by learning rate, each with where its rounds come from."""
    return Table(
        name="rates",
        caption="Table I at other learning rates",
        frame=frame,
        shown=frame.assign(
            rate=_rate(frame),
            paper_wh=1000.0 * frame["paper_kwh"],
            ours_wh=1000.0 * frame["ours_kwh"].astype(float),
        ),
        columns=(
            MODEL_COLUMN,
            RATE_COLUMN,
            SERVERS_COLUMN,
            ROUNDS_COLUMN,
            Column("role", "role", is_number=False),
            Column("paper_wh", "paper, Wh", number),
            Column("ours_wh", "ours, Wh", number),
            Column("error_kwh_fraction", "error", percent),
            Column("basis", "rounds from", is_number=False),
        ),
    )


def _rate(frame: pd.DataFrame) -> list[str]:
    """Learning rates, the study's own with a star."""
    pairs = zip(frame["learning_rate"], frame["is_own"], strict=True)
    return [f"{rate:g}{'*' if own else ''}" for rate, own in pairs]
