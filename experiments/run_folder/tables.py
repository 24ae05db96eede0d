"""The tables of a run folder: those of its ledger (coordinator.tables.schema), and the rounds that the runner saw."""

from __future__ import annotations

from coordinator.tables.schema import TABLES, Kind, Table, more, needed, table

ROUNDS = table(
    needed(Kind.INDEX, "round", "slot"),
    needed(Kind.TEXT, "stage"),
    needed(Kind.WHOLE, "participants", "num_examples"),
    needed(Kind.NUMBER, "train_loss", "test_loss", "test_accuracy", "cumulative_g"),
    more(Kind.REAL, "personal_accuracy", "epsilon"),
    may_be_empty=True,
)
"""A row for every round of a learning stage; losses and accuracy are null where nothing was evaluated."""

RUN_TABLES: dict[str, Table] = {**TABLES, "rounds": ROUNDS}
"""By file name, without ``.parquet``."""
