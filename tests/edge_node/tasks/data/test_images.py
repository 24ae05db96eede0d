"""Image data sets by name, loaded once a process: ``digits``, ``mnist``, ``auto``, plain or transformed."""

from __future__ import annotations

import numpy as np

from edge_node.tasks.data import images
from edge_node.tasks.registry import find_task


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


def test_the_second_task_is_other_than_the_first():
    task = find_task("mnist-mlp")
    for name in images.NAMES:
        first = task.resolve_data(name)
        second = task.recycling_data(first)
        assert second == task.resolve_data(second) != first
    assert task.recycling_data("digits") == "digits-inverted"
