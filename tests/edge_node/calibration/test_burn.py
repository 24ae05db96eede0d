"""A process that keeps a core busy until its input closes."""

from __future__ import annotations

import os

from edge_node.calibration.burn import burn


def test_it_ends_with_its_input() -> None:
    read, write = os.pipe()
    os.close(write)
    assert burn(read) == 1.0
    os.close(read)
