"""Many nodes trained in place against each of them on its own."""

from __future__ import annotations

import numpy as np
import pytest

from edge_node.columns.trainer import RowTrainer, TrainingError, merged
from edge_node.columns.work import WorkColumns, dealt
from edge_node.config import TaskConfig
from edge_node.tasks.workload import TaskWorkload
from protos.messages.terms import Stage

CONFIG = TaskConfig(
    name="mnist-mlp",
    batch_size=5,
    batches_per_slot=1,
    learning_rate=0.1,
    partitions=4,
    partition_index=0,
    seed=7,
)
NAMES = ("n0", "n1", "n2", "n3")
WORK = WorkColumns(
    executor=np.array([0, 1, 1, 3]),
    owner=np.array([0, 1, 2, 2]),
    first=np.array([4, 0, 3, 9]),
    batches=np.array([2, 3, 1, 2]),
)
"""Node 1 also runs a batch of node 2, node 3 two of node 2's and none of its own; node 2 sleeps."""
START = TaskWorkload(CONFIG).task.initial_parameters(1)


def alone(row: int, options: dict[str, float]) -> tuple[dict[str, np.ndarray], int, float]:
    """What a node learns by itself from the same batches, which their owners send."""
    owners = {k: TaskWorkload(CONFIG.model_copy(update={"partition_index": k})) for k in range(4)}
    batches = []
    for executor, owner, first, count in zip(
        WORK.executor, WORK.owner, WORK.first, WORK.batches, strict=True
    ):
        if executor == row:
            batches += [owners[int(owner)].batch(int(first) + k, Stage.DEVELOPMENT) for k in range(count)]
    result = owners[row].train(START, batches, options)
    return dict(result.parameters), result.num_examples, result.mean_loss


@pytest.mark.parametrize("options", [{}, {"proximal-mu": 0.5, "local-epochs": 2.0}])
def test_every_node_learns_what_it_would_learn_alone(options: dict[str, float]) -> None:
    trained = RowTrainer(CONFIG, NAMES).train(START, WORK, options, each=True)
    assert trained.rows.tolist() == [0, 1, 3]
    assert trained.averages == ()
    for place, row in enumerate(trained.rows.tolist()):
        parameters, examples, loss = alone(row, options)
        assert trained.num_examples[place] == examples
        assert trained.mean_loss[place] == loss
        for name, array in parameters.items():
            np.testing.assert_array_equal(trained.each[place][name], array)


def test_the_average_is_weighted_by_distinct_examples() -> None:
    trainer = RowTrainer(CONFIG, NAMES)
    apart, together = (trainer.train(START, WORK, {}, each) for each in (True, False))
    ((weight, average),) = together.averages
    assert weight == together.num_examples.sum() == apart.num_examples.sum()
    for name, array in average.items():
        parts = np.stack([parameters[name] for parameters in apart.each])
        wanted = np.average(parts.astype(float), axis=0, weights=apart.num_examples)
        np.testing.assert_allclose(array, wanted, rtol=0, atol=1e-7)
    np.testing.assert_array_equal(apart.mean_loss, together.mean_loss)


def test_parts_of_several_processes_are_one_result() -> None:
    whole = RowTrainer(CONFIG, NAMES).train(START, WORK, {}, each=True)
    parts = [RowTrainer(CONFIG, NAMES).train(START, part, {}, each=True) for part in dealt(WORK, 2)]
    found = merged(parts)
    assert found.rows.tolist() == whole.rows.tolist()
    assert found.num_examples.tolist() == whole.num_examples.tolist()
    assert found.mean_loss.tolist() == whole.mean_loss.tolist()
    for one, other in zip(found.each, whole.each, strict=True):
        np.testing.assert_array_equal(one["hidden.weight"], other["hidden.weight"])
    halves = [RowTrainer(CONFIG, NAMES).train(START, part, {}, each=False) for part in dealt(WORK, 2)]
    assert sum(weight for weight, _ in merged(halves).averages) == whole.num_examples.sum()


def test_a_task_that_raises_is_said_with_its_node() -> None:
    with pytest.raises(TrainingError, match=r"n0: ValueError: unknown training options .*workload.py"):
        RowTrainer(CONFIG, NAMES).train(START, WORK, {"momentum": 1.0}, each=False)
