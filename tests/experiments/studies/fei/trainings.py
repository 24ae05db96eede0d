"""Trainings small enough for a test."""

from __future__ import annotations

from experiments.studies.fei import energy
from experiments.studies.fei.cell import TrainCell


def training(edges: int, rounds: int, flop: float = 1e12) -> energy.Training:
    return energy.Training(edges, rounds, flop, model_bytes=636_040, parameters=159_010)


CELL = TrainCell(
    task="mnist-mlp",
    data="digits",
    partition="iid",
    edges=2,
    partitions=4,
    batch_size=20,
    batches_per_round=10,
    local_epochs=1,
    learning_rate=0.1,
    target_fraction=0.6,
    max_rounds=8,
    test_examples=200,
    recycle=True,
)
