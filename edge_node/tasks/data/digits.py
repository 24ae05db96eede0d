"""The handwritten digits that scikit-learn ships, brought to MNIST's form: needs no download."""

from __future__ import annotations

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
    # Heavy, and optional: a node that learns other data than the digits needs neither scikit-learn nor SciPy.
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    labels = labels.astype(np.int64)
    # Pixels are 0..16; MNIST's digits fill a 20 x 20 box inside 28 x 28 (LeCun et al. 1998).
    large = zoom(images.reshape(-1, 8, 8), (1, 20 / 8, 20 / 8), order=1, grid_mode=True, mode="nearest")
    pixels = np.zeros((len(large), 1, 28, 28), dtype=np.uint8)
    pixels[:, 0, 4:24, 4:24] = np.clip(np.rint(large * (255 / 16)), 0, 255)
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
