"""What a training's result depends on besides its cell: code and data."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache

import numpy as np

from edge_node.tasks.registry import find_task
from edge_node.tasks.workload import share_digest
from experiments.studies.fei import federated
from experiments.studies.fei.cell import TrainCell
from experiments.studies.fei.engine import content_key
from experiments.studies.import_closure import closure_digest


def code_digest() -> str:
    """sha256 over all that decides what a training gives: sources and libraries."""
    return closure_digest(federated.__name__)


@lru_cache(maxsize=8)
def data_digest(task: str, data: str) -> str:
    """sha256 over training and test arrays of a data set."""
    found = find_task(task).dataset(data)
    return content_key(
        share_digest(found.train, np.arange(found.num_train)),
        share_digest(found.test, np.arange(found.num_test)),
    )


def key_of(cell: TrainCell) -> str:
    """Content hash of all that the training's result depends on."""
    return content_key("training", asdict(cell), code_digest(), data_digest(cell.task, cell.data))
