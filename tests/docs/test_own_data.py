"""The page on data of one's own: its tasks learn."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge_node.config import TaskConfig
from edge_node.tasks.build import build_workload
from edge_node.tasks.evaluation import evaluate
from protos.messages.terms import Stage

PAGE = Path(__file__).parents[2] / "docs" / "own-data.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in re.findall(r"```python\n# file: (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL):
        (tmp_path / name).write_text(content)
    subprocess.run([sys.executable, "make_tables.py"], cwd=tmp_path, check=True)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_pages_tasks_learn(folder: Path) -> None:
    importlib.import_module("mydata")
    for name, partition, rate in (
        ("pictures", "dirichlet", 0.1),
        ("prices", "iid", 0.01),
        ("texts", "dirichlet", 1.0),
    ):
        config = TaskConfig(name=f"mydata:{name}", data="own", batch_size=10, batches_per_slot=4, local_epochs=5,
                            learning_rate=rate, partition=partition, partitions=2, partition_index=1)  # fmt: skip
        workload = build_workload(config)
        workload.task.check(10)  # type: ignore[attr-defined]
        start = workload.task.initial_parameters(0)
        work = [workload.batch(k, Stage.DEVELOPMENT) for k in range(8)]
        trained = workload.train(start, work, {}).parameters
        before, after = evaluate(config.name, "own", start), evaluate(config.name, "own", trained)
        assert after.loss < before.loss, name
