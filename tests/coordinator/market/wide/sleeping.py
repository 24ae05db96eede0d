"""Small fleets whose nodes may sleep, and their mixed-integer optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet
from coordinator.market.layout import Restrictions
from coordinator.market.plan import Plan
from coordinator.market.program import build
from coordinator.market.solve import SolverOptions, solve, unserved
from coordinator.market.wide import decomposition
from coordinator.market.wide.schedules import Search, search_of

EVERYTHING = Restrictions(transfers=True, offloading=True, harvest=True)


def sleeping_fleet(seed: int, nodes: int = 5, horizon: int = 4) -> Fleet:
    """Work may wait as many slots as the seed says, and stays, leaves by halves or leaves altogether."""
    return random_fleet(seed, nodes, horizon, deadline_slots=seed % 3, may_sleep=True)


def mixed_fleet(seed: int, nodes: int = 5, horizon: int = 4) -> Fleet:
    """The same, of which about half of the nodes, drawn from the seed, cannot sleep; the first can, the last not."""
    can = np.random.default_rng(seed).random(nodes) < 0.5
    can[0], can[-1] = True, False
    return replace(sleeping_fleet(seed, nodes, horizon), can_sleep=can)


def searched(fleet: Fleet, restrictions: Restrictions = EVERYTHING, wanted: float = 1e-3) -> Search:
    return search_of(fleet, restrictions, lambda one: decomposition.solve(one, 1e-3, workers=1), wanted)


def optimum(fleet: Fleet, restrictions: Restrictions = EVERYTHING) -> tuple[Plan, float]:
    """Plan and bound of the pairwise mixed-integer program, to 1e-4 or as far as 20 s go; every batch served."""
    program = build(fleet, restrictions, whole_batches=True, tie_break=False)
    found = solve(program, SolverOptions(mip_gap_fraction=1e-4, time_limit_s=20.0))
    assert found.values is not None
    assert found.bound is not None
    assert not unserved(program, found.values)
    return Plan(program, found.values), found.bound * program.grams_per_unit
