"""The optimum with foresight of a world of houses: the testbed's own program, in its hub form."""

from __future__ import annotations

from coordinator.market.layout import Restrictions
from coordinator.market.solve import solve_lp
from coordinator.market.wide import hub, hub_lp
from coordinator.simulator.regret import NoBoundError
from coordinator.simulator.simulate import World

UNDONE_BATCHES = 1e-6


def least_g(world: World, restrictions: Restrictions) -> float:
    """Fewest grams of ``world`` within ``restrictions``, all work done, by (D0) to (D7).

    The hub form is exact here, for losses are those of senders; at 17 houses and a week it takes a fraction of the time
    of the form with pairs. Raises NoBoundError where the solver proves no optimum, or work is left undone."""
    program = hub.from_fleet(world.fleet, restrictions, whole_batches=True)
    lp, columns, units = hub_lp.build(program)
    found = solve_lp(lp.cost, lp.matrix, lp.row_lower, lp.row_upper, lp.column_upper)
    if found.values is None or found.objective is None:
        raise NoBoundError(f"no optimum with foresight; the solver said {found.message!r}")
    undone = float(hub_lp.plan_of(columns, units, found.values).unserved_batches.sum())
    if undone > UNDONE_BATCHES:
        raise NoBoundError(f"no optimum with foresight: {undone:.4g} batches cannot be run within the limits")
    return found.objective * units.grams
