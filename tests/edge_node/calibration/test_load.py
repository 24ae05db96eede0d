"""Loads of a calibration."""

from __future__ import annotations

import os

import pytest

from edge_node.calibration.load import TaskLoad, busy, core_numbers
from edge_node.config import InferenceConfig, TaskConfig
from edge_node.tasks.build import build_workload
from protos.messages.terms import Stage
from tests.edge_node.calibration.fake_board import below

TASK = TaskConfig(
    name="mnist-mlp", batch_size=8, batches_per_slot=1, learning_rate=0.1, partitions=1, partition_index=0
)


def test_a_task_does_batch_after_batch_and_counts_them() -> None:
    workload = build_workload(TASK, InferenceConfig(requests_per_batch=4))
    flop = workload.task.flop()
    for stage, each in ((Stage.DEVELOPMENT, 8 * flop.train), (Stage.APPLICATION, 4 * flop.forward)):
        load = TaskLoad(workload, stage, seed=0)
        done = [load.batch() for _ in range(3)]
        assert [one.flop for one in done] == [pytest.approx(each)] * 3
        assert all(one.seconds > 0 and one.cpu_s > 0 for one in done)


@pytest.mark.processes
def test_busy_cores_end_with_the_block() -> None:
    cores = core_numbers()
    before = set(below(os.getpid()))
    with busy(cores[:1]), busy(cores[-1:]):
        assert len(set(below(os.getpid())) - before) == 2
    assert set(below(os.getpid())) <= before
