"""GRID: no harvest, no battery, no trade; the baseline of nodes that use the grid alone."""

from __future__ import annotations

from coordinator.policies.registry import POLICIES, traits_of


def test_only_grid_takes_the_harvest_away() -> None:
    assert [name for name in POLICIES if not traits_of(name).uses_harvest] == ["grid"]
