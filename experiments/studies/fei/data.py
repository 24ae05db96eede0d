"""Data sets of the study, which must be at hand."""

from __future__ import annotations

from carbon_data.files.datasets import dataset, how_to_get, mnist_names
from carbon_data.files.folders import DATA_DIR_VARIABLE, data_dir
from carbon_data.types import DataError
from edge_node.tasks.registry import find_task
from experiments.studies.fei.spec import (
    Effort,
)


def find_data(effort: Effort) -> dict[str, tuple[str, int, str]]:
    """Data set name, number of training examples and origin for each model that is trained.

    Images are MNIST and nothing else: the paper's target means it. Text falls back to what ships with Python.
    Raises DataError that names every missing file and how to get it.
    """
    missing = [name for name in mnist_names() if not (data_dir() / dataset(name).path).is_file()]
    if missing:
        ways = "; ".join(f"{name}: {how_to_get(dataset(name))}" for name in missing)
        raise DataError(
            f"the reproduction trains on MNIST, and {len(missing)} of its files are not in {data_dir()} (set "
            f"{DATA_DIR_VARIABLE} for another folder): {ways}. Optional: tinyshakespeare (without it the LSTM learns "
            "Python's documentation), em-lca-2022 (without it packaged profiles)"
        )
    found = {}
    for model in effort.models:
        task = find_task(model.task)
        name = task.resolve_data("auto") if model.is_text else model.data
        loaded = task.dataset(name)
        found[model.name] = (name, loaded.num_train, f"{model.name}: {loaded.origin}")
    return found
