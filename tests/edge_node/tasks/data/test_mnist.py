"""MNIST from the four idx files in the data folder, whose content must have the canonical checksums."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from carbon_data.files.folders import data_dir
from carbon_data.types import DataError
from edge_node.tasks.data import images, mnist

needs_mnist = pytest.mark.skipif(not mnist.is_present(), reason="MNIST is not in the data folder")


def test_missing_mnist_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("DETABED_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match="fetch"):
        mnist.load()


@needs_mnist
def test_mnist_is_whole():
    data = images.load("auto")
    assert data.name == "mnist"
    assert data.train["images"].shape == (60000, 1, 28, 28)
    assert data.num_test == 10000
    assert np.bincount(data.train["labels"]).tolist()[:2] == [5923, 6742]


@needs_mnist
def test_a_damaged_mnist_file_is_refused(tmp_path, monkeypatch):
    shutil.copytree(data_dir() / "mnist", tmp_path / "mnist")
    monkeypatch.setenv("DETABED_DATA_DIR", str(tmp_path))
    path: Path = tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] ^= 1
    path.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(DataError, match="t10k-labels"):
        mnist.load()


def test_idx_files_that_are_none_are_refused():
    with pytest.raises(ValueError, match="not an idx file"):
        mnist.read_idx(gzip.compress(b"PNG"))
    with pytest.raises(ValueError, match="must have 6 values, has 5"):
        mnist.read_idx(gzip.compress(b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03" + bytes(5)))
    read = mnist.read_idx(gzip.compress(b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03" + bytes(range(6))))
    assert read.tolist() == [[0, 1, 2], [3, 4, 5]]
