"""MNIST from the four idx files in the data folder, whose content must have the canonical checksums."""

from __future__ import annotations

import gzip
import math

import numpy as np
from numpy.typing import NDArray

from carbon_data.files.datasets import dataset, require
from carbon_data.files.folders import data_dir
from edge_node.tasks.data.dataset import Dataset

FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
ORIGIN = "MNIST (LeCun, Cortes, Burges), 60,000 training and 10,000 test images, idx files with canonical MD5"
IDX_UINT8 = 0x08


def is_present() -> bool:
    """Whether the data folder has all four files (their content is checked when they are loaded)."""
    return all((data_dir() / dataset(_name(file)).path).is_file() for file in FILES)


def load() -> Dataset:
    """Training and test images (N, 1, 28, 28) uint8 with labels (N,) int64.

    Raises carbon_data.types.DataError when a file is missing or is not MNIST.
    """
    images, labels, test_images, test_labels = (read_idx(require(_name(file)).read_bytes()) for file in FILES)
    train_labels = labels.astype(np.int64)
    return Dataset(
        name="mnist",
        origin=ORIGIN,
        train={"images": images[:, None], "labels": train_labels},
        test={"images": test_images[:, None], "labels": test_labels.astype(np.int64)},
        groups=train_labels,
        num_classes=10,
    )


def read_idx(packed: bytes) -> NDArray[np.uint8]:
    """Array in a gzipped idx file of bytes: two zeros, the type, the number of dimensions, sizes, values.

    Raises ValueError when the bytes are no such file.
    """
    content = gzip.decompress(packed)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != IDX_UINT8:
        raise ValueError(f"not an idx file of bytes: it begins with {content[:4].hex()}, expected 000008..")
    header = 4 + 4 * content[3]
    shape = np.frombuffer(content[4:header], dtype=">i4").tolist()
    if len(content) != header + math.prod(shape):
        raise ValueError(
            f"idx file of shape {shape} must have {math.prod(shape)} values, has {len(content) - header}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)


def _name(file: str) -> str:
    return f"mnist-{file}-ubyte"
