"""Columns and notes that several tables of the study share."""

from __future__ import annotations

import pandas as pd

from experiments.report.tables import Column
from experiments.studies.fei.spec import BatchReading, ServerReading

one_decimal, two_decimals, whole = "{:.1f}".format, "{:.2f}".format, "{:.0f}".format


MODEL_COLUMN = Column("model", "model", is_number=False)
READING_COLUMNS = (MODEL_COLUMN, Column("reading", "reading", is_number=False))
SIZE_COLUMN = Column("size", "size", is_number=False)
SERVERS_COLUMN = Column("servers", "n", whole)
ROUNDS_COLUMN = Column("rounds", "rounds", whole)
SHORT = {
    str(BatchReading.AS_PRINTED): "50 epochs",
    str(BatchReading.BATCH_50): "batch 50",
    str(ServerReading.EDGES): "n",
    str(ServerReading.WITH_COORDINATOR): "n \u2212 1",
}
"""Readings in few words, for narrow columns."""
READINGS = (
    "Readings: 50 epochs of mini-batches of B, or B mini-batches of 50, a round; n or n \u2212 1 edge servers, n being "
    "the column # of Servers. "
)


SIZES = (
    "Size: whole rows are of the paper's size, scaled ones come from smaller trainings; a model and reading with both "
    "has two blocks, each calibrated on a row of its own. "
)


def both_readings(frame: pd.DataFrame) -> pd.Series[str]:
    """Both readings of a row in one column."""
    return frame["reading_e_b"].map(SHORT) + ", " + frame["reading_servers"].map(SHORT)
