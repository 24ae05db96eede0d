"""Data sets by name: shared copies and refusals."""

from __future__ import annotations

import pytest

from edge_node.tasks.data import images


def test_nodes_share_one_read_only_copy():
    assert images.load("digits") is images.load("digits")
    with pytest.raises(ValueError, match="read-only"):
        images.load("digits").train["images"][0] = 0


@pytest.mark.parametrize("name", ["cifar", "digits-upside-down", ""])
def test_unknown_data_names_are_refused_with_the_allowed_ones(name):
    with pytest.raises(ValueError, match="digits-inverted"):
        images.resolve(name)


def test_auto_takes_digits_when_there_is_no_mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("DETABED_DATA_DIR", str(tmp_path))
    assert images.resolve("auto") == "digits"
    assert images.resolve("auto-parity") == "digits-parity"
