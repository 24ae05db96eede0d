"""Trained models of the terminal, made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_node.splitting.recurrent import RecurrentHead
from experiments.studies.terminal.options import Options, build_options
from experiments.studies.terminal.training import (
    Data,
    Models,
    load_data,
    train_models,
)
from experiments.studies.terminal.video_training import train_head
from tests.experiments.studies.terminal.sizes import TINY


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def data() -> Data:
    return load_data(TINY)


@pytest.fixture(scope="module")
def models(cache: Path, data: Data) -> Models:
    return train_models(data, TINY, 0, lambda what: None)


@pytest.fixture(scope="module")
def recurrent(data: Data, models: Models) -> RecurrentHead:
    return train_head(data, TINY, models, 0)


@pytest.fixture(scope="module")
def options(models: Models, recurrent: RecurrentHead) -> Options:
    return build_options(models, recurrent)
