"""What the head of a report says of its runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from experiments.report.facts import gather
from experiments.report.read import load


def test_the_head_names_task_and_data_or_that_nothing_was_learned(make_run: Callable[..., Path]) -> None:
    folder = make_run("deta", 0, nodes=3)
    assert gather(load(folder)).subtitle.endswith(
        "· mnist-mlp on digits (1,797 images, ships with scikit-learn)"
    )
    metadata = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps(metadata | {"task": "none"}))
    assert gather(load(folder)).subtitle.endswith("· energy only, nothing learned")
