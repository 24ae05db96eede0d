"""The handwritten digits of UCI, brought to MNIST's form: they ship with the package."""

from __future__ import annotations

import numpy as np

from edge_node.tasks.data import digits, images


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
