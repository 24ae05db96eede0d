import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from carbon_data.files.folders import data_dir
from carbon_data.types import DataError
from edge_node.tasks.data import digits, images, mnist
from edge_node.tasks.registry import find_task

needs_mnist = pytest.mark.skipif(not mnist.is_present(), reason="MNIST is not in the data folder")


def test_digits_have_the_form_of_mnist():
    data = images.load("digits")
    assert data.train["images"].shape == (1438, 1, 28, 28)
    assert data.test["images"].shape == (359, 1, 28, 28)
    assert data.train["images"].dtype == np.uint8
    assert data.train["labels"].dtype == np.int64
    assert data.train["images"].max() == 255
    border = data.train["images"].copy()
    border[:, :, 4:24, 4:24] = 0
    assert not border.any()


def test_the_split_is_stratified_and_loses_nothing():
    labels = np.array([0] * 50 + [1] * 31 + [2] * 7)
    train, test = digits.stratified_split(labels, 0.2, 1)
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(88))
    assert np.bincount(labels[test]).tolist() == [10, 6, 1]


def test_transformations_change_what_they_say_and_nothing_else():
    plain, inverted, parity, shifted = (
        images.load(f"digits{suffix}") for suffix in ("", "-inverted", "-parity", "-shifted")
    )
    assert np.array_equal(255 - plain.train["images"], inverted.train["images"])
    assert np.array_equal(plain.train["labels"], inverted.train["labels"])
    assert np.array_equal(plain.test["labels"] % 2, parity.test["labels"])
    assert np.array_equal((plain.test["labels"] + 1) % 10, shifted.test["labels"])
    assert np.array_equal(plain.test["images"], parity.test["images"])
    assert "parity" in parity.origin


def test_nodes_share_one_read_only_copy():
    assert images.load("digits") is images.load("digits")
    with pytest.raises(ValueError, match="read-only"):
        images.load("digits").train["images"][0] = 0


@pytest.mark.parametrize("name", ["cifar", "digits-upside-down", ""])
def test_unknown_data_names_are_refused_with_the_allowed_ones(name):
    with pytest.raises(ValueError, match="digits-inverted"):
        images.resolve(name)


def test_the_second_task_is_other_than_the_first():
    task = find_task("mnist-mlp")
    for name in images.NAMES:
        first = task.resolve_data(name)
        second = task.recycling_data(first)
        assert second == task.resolve_data(second) != first
    assert task.recycling_data("digits") == "digits-inverted"


def test_auto_takes_digits_when_there_is_no_mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("DETABED_DATA_DIR", str(tmp_path))
    assert images.resolve("auto") == "digits"
    assert images.resolve("auto-parity") == "digits-parity"


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
