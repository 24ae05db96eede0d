"""Who trains the nodes of a virtual fleet."""

from __future__ import annotations

import numpy as np

from edge_node.columns.work import WorkColumns
from edge_node.config import TaskConfig
from edge_node.tasks.registry import find_task
from experiments.fleet.learners import OwnLearner


def test_this_process_trains_when_it_is_waited_for() -> None:
    config = TaskConfig(
        name="mnist-mlp", batch_size=4, batches_per_slot=1, learning_rate=0.1, partitions=2, partition_index=0
    )
    learner, rows = OwnLearner(), np.array([0, 1])
    learner.prepare(config, ("n0", "n1"))
    work = WorkColumns(rows, rows, np.zeros(2, dtype=np.int64), np.ones(2, dtype=np.int64))
    result = learner.train(find_task("mnist-mlp").initial_parameters(0), work, {}, False)
    assert result().num_examples.tolist() == [4, 4]
