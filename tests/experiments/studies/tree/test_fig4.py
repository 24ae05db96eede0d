"""Reproduction of Fig. 4 of the TREE paper: ``reproduce_fig4`` simulates, judges, draws and writes it all."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.studies.tree.fig4 import reproduce_fig4


def test_fewer_than_ten_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 10"):
        reproduce_fig4(tmp_path, seeds=9)
