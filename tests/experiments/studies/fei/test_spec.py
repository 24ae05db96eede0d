"""What is reproduced: the paper's Table I, the readings of its columns, and the trainings that a study asks for."""

from __future__ import annotations

import math

import pytest

from experiments.studies.fei.cell import cell_for, full_round_examples
from experiments.studies.fei.spec import (
    BY_NAME,
    SERVERS,
    BatchReading,
    Reduction,
    ServerReading,
)


def test_column_b_counts_the_coordinator() -> None:
    mlp = BY_NAME["MLP"]
    assert [mlp.paper_batch(n) * (n - 1) for n in SERVERS[1:]] == [1200] * 5
    assert [ServerReading.WITH_COORDINATOR.edges(n) for n in SERVERS] == [1, 2, 4, 6, 8, 10]
    assert [ServerReading.EDGES.edges(n) for n in SERVERS] == list(SERVERS)


def test_a_round_in_the_reference_reading_covers_the_data_once() -> None:
    mlp = BY_NAME["MLP"]
    for servers in SERVERS:
        edges = ServerReading.WITH_COORDINATOR.edges(servers)
        examples = full_round_examples(mlp, 60_000, BatchReading.BATCH_50, servers, edges)
        assert examples * edges == 60_000


def test_a_reduced_training_keeps_the_steps_of_a_round() -> None:
    mlp = BY_NAME["MLP"]
    reduction = Reduction(0.1, 5, 0.93)
    cell = cell_for(mlp, "mnist", 60_000, BatchReading.AS_PRINTED, 11, 10, reduction)
    full_steps = math.ceil(6000 / 120)
    assert cell.batches_per_round == full_steps
    assert cell.edges / cell.partitions == pytest.approx(reduction.examples_fraction)
