"""Optimal values that plans and bounds are compared with."""

from __future__ import annotations

from coordinator.market.solve import solve_lp
from coordinator.market.wide import hub, hub_lp


def optimum(program: hub.HubProgram) -> float:
    lp, _, units = hub_lp.build(program)
    found = solve_lp(lp.cost, lp.matrix, lp.row_lower, lp.row_upper, lp.column_upper)
    assert found.objective is not None
    return found.objective * units.grams
