"""The workload of a node that learns nothing."""

from __future__ import annotations

import math
import tracemalloc

import pytest

from edge_node.config import DemandConfig
from edge_node.tasks.none import CountedWorkload
from protos.messages.terms import Stage

DEMAND = DemandConfig(flop_per_batch=3e9, bytes_per_batch=70, batches=(2, 0, 5))


def test_work_is_counted_and_no_model_travels() -> None:
    work = CountedWorkload(DEMAND)
    batches = [work.batch(k, Stage.DEVELOPMENT) for k in range(4)]
    result = work.train({}, batches, {})
    assert (result.flop, result.batches, dict(result.parameters)) == (12e9, 4, {})
    assert math.isnan(result.mean_loss)
    cost = work.cost(Stage.DEVELOPMENT)
    assert (cost.flop_per_batch, cost.bytes_per_batch, cost.model_bytes) == (3e9, 70, 0)
    assert sum(array.nbytes for array in batches[0].values()) == 70


def test_nothing_is_prepared_or_served() -> None:
    work = CountedWorkload(DEMAND)
    with pytest.raises(ValueError, match="prepares nothing"):
        work.prepare([])
    with pytest.raises(ValueError, match="serves nothing"):
        work.infer({}, [])


def test_batches_that_stay_take_no_memory_whatever_their_bytes() -> None:
    work = CountedWorkload(DEMAND.model_copy(update={"bytes_per_batch": 1_000_000_000}))
    tracemalloc.start()
    try:
        batches = [work.batch(k, Stage.DEVELOPMENT) for k in range(100)]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {array.nbytes for batch in batches for array in batch.values()} == {1_000_000_000}
    assert peak_bytes < 1_000_000
