"""FedZero's division of a power domain's excess energy among the clients of a round, one slot at a time. Pure."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.policies import fedzero_energy
from coordinator.policies.fedzero_energy import attribute_energy


def test_fedzero_attributes_minimum_first_then_what_is_missing() -> None:
    """Two clients of 10 and 20 J a batch, minima 2 and 4, maxima 6 and 16, nothing done yet.

    100 J: to the minima 20 J and 80 J are missing, so batches go 1 : 4: x (10 + 4 * 20) = 100, x = 10/9."""
    joules, none = np.array([10.0, 20.0]), np.zeros(2)
    least, most, plenty = np.array([2.0, 4.0]), np.array([6.0, 16.0]), np.array([50.0, 50.0])
    given = attribute_energy(100.0, joules, none, least, most, plenty)
    assert given == pytest.approx([10 / 9, 40 / 9])
    # client 0 has its minimum: all goes to client 1, up to what time allows, and the rest to client 0
    given = attribute_energy(100.0, joules, np.array([2.0, 0.0]), least, most, np.array([50.0, 4.0]))
    assert given == pytest.approx([2.0, 4.0])
    # both above their minimum, 30 J and 200 J missing to the maximum: 3 : 20, x (30 + 400) = 86
    given = attribute_energy(86.0, joules, np.array([3.0, 6.0]), least, most, plenty)
    assert given == pytest.approx([0.6, 4.0])


def test_fedzero_fills_room_and_shares_the_rest() -> None:
    # missing 100 J each: 1 : 1, but client 0 has time for 2: 20 J to it, 50 J and 5 batches to client 1
    joules, done, least = np.full(2, 10.0), np.zeros(2), np.full(2, 10.0)
    given = attribute_energy(70.0, joules, done, least, np.full(2, 20.0), np.array([2.0, 50.0]))
    assert given == pytest.approx([2.0, 5.0])
    # time for two batches and a half is time for two
    given = attribute_energy(1e6, joules, done, least, np.full(2, 20.0), np.array([2.5, 50.0]))
    assert given.tolist() == [2.0, 20.0]
    # no work that costs nothing is left undone, none beyond the maximum is given
    given = attribute_energy(1e6, np.array([0.0, 10.0]), done, least, np.full(2, 20.0), np.full(2, 50.0))
    assert given.tolist() == [20.0, 20.0]


@pytest.mark.parametrize("energy", [0.0, 35.0, 60.0, 1e6])
def test_fedzero_never_spends_an_energy_twice(energy: float) -> None:
    joules = np.array([10.0, 7.0, 3.0])
    least, most = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    given = attribute_energy(
        energy, joules, np.array([0.0, 3.0, 1.0]), least, most, np.array([3.0, 9.0, 1.0])
    )
    assert (given * joules).sum() <= energy + 1e-9
    assert (given <= [3.0, 2.0, 1.0]).all()


def shared(energy_j: float, joules: list[float], missing: list[float], room: list[float]) -> list[float]:
    return fedzero_energy._share_out(energy_j, *map(np.array, (joules, missing, room))).tolist()


def test_fedzero_shares_by_what_is_missing_up_to_the_room() -> None:
    """Weights 8, 16 and 32: of 107 J the first two are full with 1 J and 6 J, and 100 J are left for the third."""
    assert shared(107.0, [1.0, 2.0, 4.0], [8.0, 8.0, 8.0], [1.0, 3.0, 50.0]) == pytest.approx(
        [1.0, 3.0, 25.0]
    )
    # the same in another order
    assert shared(107.0, [4.0, 1.0, 2.0], [8.0, 8.0, 8.0], [50.0, 1.0, 3.0]) == pytest.approx(
        [25.0, 1.0, 3.0]
    )


def test_fedzero_gives_what_costs_nothing_to_those_that_miss_it() -> None:
    assert shared(10.0, [0.0, 0.0, 2.0], [0.0, 0.5, 1.0], [3.0, 4.0, 1.0]) == [0.0, 4.0, 1.0]
    # what costs little is paid for: 1 J are two batches of half a joule
    assert shared(1.0, [0.5], [0.5], [9.0]) == pytest.approx([2.0])
    # time for less than a batch is time for none
    none = np.zeros(1)
    given = attribute_energy(99.0, np.ones(1), none, np.ones(1), np.full(1, 9.0), np.full(1, 0.9))
    assert given.tolist() == [0.0]
