"""The small perceptron of the benchmark of rows."""

from __future__ import annotations

import torch

from benchmarks._small_mlp import SmallMlp, drawn
from edge_node.config import TaskConfig
from edge_node.tasks.base import Task
from edge_node.tasks.evaluation import evaluate
from edge_node.tasks.registry import find_task
from edge_node.tasks.workload import TaskWorkload
from protos.messages.terms import Stage


def test_its_quick_step_is_that_of_plain_sgd() -> None:
    task = find_task(SmallMlp.name)
    data = drawn(40)
    x, y = torch.from_numpy(data.train["x"]), torch.from_numpy(data.train["labels"])
    torch.manual_seed(3)
    one = task.model()
    other = task.model()
    other.load_state_dict(one.state_dict())
    losses = [
        step(model, list(model.parameters()), x, y, 0.05)
        for model, step in ((one, task.sgd_step), (other, lambda *a: Task.sgd_step(task, *a)))
    ]
    torch.testing.assert_close(losses[0], losses[1])
    for mine, plain in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, plain)


def test_it_learns() -> None:
    config = TaskConfig(
        name=SmallMlp.name,
        data="drawn-400",
        batch_size=8,
        batches_per_slot=5,
        learning_rate=0.05,
        partitions=1,
        partition_index=0,
    )
    workload = TaskWorkload(config)
    start = workload.task.initial_parameters(0)
    batches = [workload.batch(k, Stage.DEVELOPMENT) for k in range(50)]
    after = evaluate(config.name, config.data, workload.train(start, batches, {}).parameters)
    assert after.accuracy > evaluate(config.name, config.data, start).accuracy + 0.3
