"""Designs: grids have every combination, a Latin hypercube covers every axis."""

from __future__ import annotations

import pytest

from experiments.errors import UsageError
from experiments.sweep.axes import Axis
from experiments.sweep.design import grid, latin_hypercube


def test_a_grid() -> None:
    assert grid([Axis("a", (1, 2)), Axis("b", ("x", "y"))]) == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    assert grid([]) == [()]
    with pytest.raises(UsageError, match="1000 x 1000 cells"):
        grid([Axis(key, tuple(range(1000))) for key in "ab"])


def test_a_latin_hypercube_has_one_cell_in_every_stripe_of_every_axis() -> None:
    axes = [Axis("a", (0.0, 1.0), interval=True), Axis("b", (1, 10), interval=True), Axis("c", ("x", "y"))]
    cells = latin_hypercube(axes, 10, seed=3)
    assert sorted(int(10 * a) for a, _, _ in cells) == list(range(10))
    assert sorted(b for _, b, _ in cells) == list(range(1, 11))
    assert sum(c == "x" for _, _, c in cells) == 5
    assert cells == latin_hypercube(axes, 10, seed=3)
    assert cells != latin_hypercube(axes, 10, seed=4)


def test_cells_that_are_drawn_twice_are_there_once() -> None:
    assert sorted(latin_hypercube([Axis("a", (1, 2))], 50, 0)) == [(1,), (2,)]
    with pytest.raises(UsageError, match="at least one axis"):
        latin_hypercube([], 5, 0)
