"""The handwritten digits of UCI, brought to MNIST's form: they ship with the package."""

from __future__ import annotations

from importlib import resources

import numpy as np
from numpy.typing import NDArray

from edge_node.tasks.data.dataset import Dataset

TEST_FRACTION = 0.2
SPLIT_SEED = 1797
"""Fixed: every run tests on the same 359 images."""

ORIGIN = (
    "scikit-learn load_digits (UCI Optical Recognition of Handwritten Digits, CC BY 4.0), 1,797 images of "
    "8 x 8 pixels, enlarged bilinearly to 20 x 20 and centred in 28 x 28"
)


def load() -> Dataset:
    """Training and test images (N, 1, 28, 28) uint8 with labels (N,) int64; a fixed stratified split."""
    path = resources.files(__package__) / "digits.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        pixels, labels = stored["images"], stored["labels"].astype(np.int64)
    train, test = stratified_split(labels, TEST_FRACTION, SPLIT_SEED)
    return Dataset(
        name="digits",
        origin=ORIGIN,
        train={"images": pixels[train], "labels": labels[train]},
        test={"images": pixels[test], "labels": labels[test]},
        groups=labels[train],
        num_classes=10,
    )


def stratified_split(
    labels: NDArray[np.int64], test_fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sorted indices of training and test examples, every class in the same proportion (to one example)."""
    rng = np.random.default_rng(seed)
    test = np.concatenate(
        [
            rng.permutation(members)[: round(test_fraction * len(members))]
            for members in (np.flatnonzero(labels == label) for label in np.unique(labels))
        ]
    )
    test.sort()
    return np.setdiff1d(np.arange(len(labels)), test), test
