"""Outcome of a negotiation: a decision that keeps every limit, and how far it is from the centralised optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.market.physics import execute
from coordinator.market.program import build
from coordinator.market.solve import solve, solve_lp
from coordinator.market.wide import hub, hub_lp
from coordinator.market.window import window
from coordinator.policies.local import local_decision
from protos.trading.look_ahead import LEFT_FACTOR

_ZERO = 1e-9


def optimum_g(fleet: Fleet) -> float:
    """Optimum of the centralised program with no node asleep, g CO2e, unserved work priced: the reference."""
    awake = replace(fleet, limits=replace(fleet.limits, may_sleep=False))
    if fleet.loss_fraction is None:
        lp, _, units = hub_lp.build(hub.from_fleet(awake))
        found = solve_lp(lp.cost, lp.matrix, lp.row_lower, lp.row_upper, lp.column_upper)
        if found.objective is None:
            raise ArithmeticError(f"the solver found no optimum to compare with: {found.message}")
        return found.objective * units.grams
    program = build(awake, hub.DETA, tie_break=False)
    solution = solve(program)
    if solution.objective is None:
        raise ArithmeticError(f"the solver found no optimum to compare with: {solution.message}")
    return solution.objective * program.grams_per_unit


def slot_objective_g(fleet: Fleet, decision: FleetDecision) -> float:
    """Grams of executing the slot, less the worth of what is left in store, plus the price of unserved work: on the
    same scale as the optimum of a look-ahead of one slot."""
    flows = execute(fleet, decision)
    missed = decision.unserved_batches.sum() * hub.unserved_penalty_g(fleet)
    late = fleet.backlog_batches.sum(axis=1) - decision.own_batches() - decision.unserved_batches
    left = LEFT_FACTOR * hub.unserved_penalty_g(fleet) * np.maximum(late, 0).sum()
    worth = float((fleet.stored_value_g_per_j * flows.battery_j).sum())
    return float(flows.operational_g.sum()) + flows.network_g + float(missed + left) - worth


def slot_notes(fleet: Fleet, decision: FleetDecision) -> dict[str, float]:
    """Gap to the optimum of this slot alone, and the share of LOCAL's excess over it that was captured."""
    now = window(fleet, 1)
    return gap_notes(
        slot_objective_g(now, decision),
        optimum_g(now),
        slot_objective_g(now, local_decision(now)),
        bill_g(now),
    )


def bill_g(fleet: Fleet) -> float:
    """What the static load alone would emit from the grid: the scale on which an optimum counts as zero."""
    grams = fleet.intensity_g_per_kwh.sum(axis=1) / hub.JOULES_PER_KWH
    return float((grams * fleet.static_w * fleet.slot_s).sum())


def gap_notes(reached_g: float, best_g: float, local_g: float, scale_g: float) -> dict[str, float]:
    """Metrics of methods.md section 2; the captured gain only where there was one to capture."""
    least = max(abs(best_g), _ZERO * scale_g)
    notes = {"objective_g": reached_g, "optimum_g": best_g}
    if least > 0:
        notes["gap_to_optimum_fraction"] = (reached_g - best_g) / least
    if local_g - best_g > 1e-9 * max(abs(local_g), least):
        notes["captured_gain_fraction"] = (local_g - reached_g) / (local_g - best_g)
    return notes
