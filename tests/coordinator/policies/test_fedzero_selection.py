"""FedZero's selection: the clients of the shortest feasible round, by a mixed-integer program. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np

from coordinator.policies.fedzero_selection import best_selection, scaled_utility, shortest_round


def selection_case() -> dict[str, Any]:
    """Nodes 0 and 1 share 40 J, node 2 has 100 J; 10 J a batch, 3 to 8 batches each."""
    return {
        "utility": np.array([1.0, 0.9, 0.5]),
        "least": np.full(3, 3.0),
        "most": np.full(3, 8.0),
        "capacity": np.full((3, 1), 50.0),
        "joules_per_batch": np.full((3, 1), 10.0),
        "energy_j": np.array([[40.0], [0.0], [100.0]]),
        "domain": np.array([0, 0, 1]),
        "allowed": np.ones(3, dtype=bool),
    }


def test_fedzero_selects_by_utility_within_domains() -> None:
    # with two clients, 0 and 2 give 1.0 * 4 + 0.5 * 8 = 8, 1 and 2 give 0.9 * 4 + 0.5 * 8, and 0 and 1 cannot both
    # reach 3 of the 40 J
    case = selection_case()
    assert best_selection(count=2, **case).tolist() == [True, False, True]  # type: ignore[union-attr]
    assert best_selection(count=3, **case) is None
    # utility per batch counts with the batches there is energy for: 0.5 * 8 beats 0.9 * 4, not 1.2 * 4
    weak = case | {"utility": np.array([0.9, 0.8, 0.5])}
    assert best_selection(count=1, **weak).tolist() == [False, False, True]  # type: ignore[union-attr]
    strong = case | {"utility": np.array([1.2, 0.8, 0.5])}
    assert best_selection(count=1, **strong).tolist() == [True, False, False]  # type: ignore[union-attr]
    # time counts as energy does: with room for 3 batches node 2 gives 1.5
    busy = weak | {"capacity": np.array([[50.0], [50.0], [3.0]])}
    assert best_selection(count=1, **busy).tolist() == [True, False, False]  # type: ignore[union-attr]


def test_fedzero_takes_the_shortest_round() -> None:
    # 10 J now and 20 J in the next slot: two slots for 3 batches; node 2 is not needed
    case = selection_case() | {
        "capacity": np.full((3, 3), 50.0),
        "joules_per_batch": np.full((3, 3), 10.0),
        "energy_j": np.array([[10.0, 20.0, 90.0], [0.0, 0.0, 0.0], [10.0, 0.0, 90.0]]),
    }
    found = shortest_round(count=1, **case)
    assert found is not None
    assert (found[0].tolist(), found[1]) == ([True, False, False], 2)
    found = shortest_round(count=2, **case)
    assert found is not None
    # 8 of node 0 and 8 of node 2 are worth 8 + 0.5 * 8; 8 of node 0 and the 4 left in its domain 8 + 0.9 * 4
    assert (found[0].tolist(), found[1]) == ([True, False, True], 3)
    assert shortest_round(count=3, **(case | {"allowed": np.array([True, True, False])})) is None


def test_fedzero_scales_utility_to_its_range() -> None:
    assert scaled_utility(np.array([30.0, 10.0, 20.0])).tolist() == [1.0, 0.0, 0.5]
    assert scaled_utility(np.array([7.0, 7.0])).tolist() == [1.0, 1.0]
