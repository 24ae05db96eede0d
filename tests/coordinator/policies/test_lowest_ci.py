"""LowestCI: the n nodes with the smallest grid intensity now (methods.md section 3)."""

from __future__ import annotations

from tests.coordinator.policies.fleets import chosen, fleet_of


def test_lowest_ci_takes_the_cleanest_ties_to_the_first() -> None:
    assert chosen(fleet_of([300.0, 100.0, 200.0, 100.0]), "lowest-ci", clients=2) == [1, 3]
    assert chosen(fleet_of([5.0, 5.0, 5.0]), "lowest-ci", clients=1) == [0]
