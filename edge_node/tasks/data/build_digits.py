"""Writes ``digits.npz`` from scikit-learn's digits: ``python -m edge_node.tasks.data.build_digits [--check]``.

Source: UCI Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, 1998), CC BY 4.0, as in scikit-learn.
Nodes read the file alone, so that no board needs scikit-learn or scipy.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom
from sklearn.datasets import load_digits

FILE = Path(__file__).with_name("digits.npz")


def build() -> dict[str, NDArray[np.uint8]]:
    """``images`` (N, 1, 28, 28) and ``labels`` (N,), N = 1,797."""
    images, labels = load_digits(return_X_y=True)
    # Pixels are 0..16; MNIST's digits fill a 20 x 20 box inside 28 x 28 (LeCun et al. 1998).
    large = zoom(images.reshape(-1, 8, 8), (1, 20 / 8, 20 / 8), order=1, grid_mode=True, mode="nearest")
    pixels = np.zeros((len(large), 1, 28, 28), dtype=np.uint8)
    pixels[:, 0, 4:24, 4:24] = np.clip(np.rint(large * (255 / 16)), 0, 255)
    return {"images": pixels, "labels": labels.astype(np.uint8)}


def main() -> int:
    built = build()
    if "--check" in sys.argv[1:]:
        with np.load(FILE, allow_pickle=False) as stored:
            same = all(np.array_equal(stored[name], built[name]) for name in built)
        print(f"{FILE.name} is {'as built' if same else 'not as built: run this module without --check'}")
        return 0 if same else 1
    np.savez_compressed(FILE, images=built["images"], labels=built["labels"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
