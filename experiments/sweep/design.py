"""Designs: which combinations of the axes' values are run."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from experiments.errors import UsageError
from experiments.sweep.axes import Axis, comparable

MAX_CELLS = 100_000
"""Cells of one sweep: a typing error must not fill the memory."""
Values = tuple[Any, ...]
"""Of one cell, in the order of the axes."""


def grid(axes: Sequence[Axis]) -> list[Values]:
    """Every combination; the last axis varies fastest. Without axes: the scenario as it is."""
    count = 1
    for axis in axes:
        count *= len(axis.values)
        if count > MAX_CELLS:
            raise UsageError(
                f"a grid of {' x '.join(str(len(each.values)) for each in axes)} cells; allowed are up to {MAX_CELLS}: "
                "give fewer values, or --random N"
            )
    return list(itertools.product(*(axis.values for axis in axes)))


def latin_hypercube(axes: Sequence[Axis], count: int, seed: int) -> list[Values]:
    """``count`` cells drawn so that every axis is covered evenly (Latin hypercube); cells that were drawn twice are
    there once, which happens where the axes have few values."""
    if not axes:
        raise UsageError("--random draws values, and there is no --set; give at least one axis")
    if not 1 <= count <= MAX_CELLS:
        raise UsageError(f"--random {count}: allowed are 1 to {MAX_CELLS}")
    # It takes a second to import, and grids do without.
    from scipy.stats.qmc import LatinHypercube

    drawn = LatinHypercube(len(axes), rng=seed).random(count)
    cells: list[Values] = []
    seen: set[str] = set()
    for row in drawn:
        cell = tuple(_at(axis, float(share)) for axis, share in zip(axes, row, strict=True))
        told = repr([comparable(value) for value in cell])
        if told not in seen:
            seen.add(told)
            cells.append(cell)
    return cells


def _at(axis: Axis, share: float) -> Any:
    """The value of ``axis`` at ``share`` in [0, 1) of it."""
    if not axis.interval:
        return axis.values[int(share * len(axis.values))]
    low, high = axis.values
    if isinstance(low, int) and isinstance(high, int):
        return low + int(share * (high - low + 1))
    return float(f"{low + share * (high - low):.6g}")
