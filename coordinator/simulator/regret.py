"""Regret: how far a run lies above the optimum with perfect foresight (methods.md section 1).

The bound is the optimum of the whole model over the whole run with true values, every freedom and fractional batches
within the caps of whole ones (what is executed floors (D5) and (D7)): a lower bound for any policy that keeps the
limits and does the same work."""

from __future__ import annotations

from dataclasses import dataclass, replace

from coordinator.market.fleet import Fleet
from coordinator.market.layout import Restrictions
from coordinator.market.plan import Plan
from coordinator.market.program import build, fits_hub
from coordinator.market.solve import SolverOptions, solve, solve_lp, unserved
from coordinator.market.wide import decomposition, hub, hub_lp
from coordinator.market.wide.schedules import search_of
from coordinator.simulator.simulate import World, first_backlog

EVERYTHING = Restrictions(transfers=True, offloading=True, harvest=True)
PAIRWISE_AT_MOST = 60
"""Nodes up to which the program is solved to optimality; beyond, the hub form is decomposed, where it is exact."""
HUB_GAP_FRACTION = 1e-3


class NoBoundError(ArithmeticError):
    """No bound can be stated; the text says why."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The best that any policy could do in a world, from the whole model with perfect foresight."""

    objective_g: float
    """Proven lower bound on ``Run.objective_g`` of every policy that keeps the limits."""
    plan_g: float
    """Objective of the plan found (equal to the bound but for ``gap_fraction``)."""
    gap_fraction: float
    """Proven distance of the two, relative to the plan."""


def oracle_bound(
    world: World | Fleet, restrictions: Restrictions = EVERYTHING, options: SolverOptions | None = None
) -> Bound:
    """Bound on every run of ``world`` (or of the fleet whose horizon is the whole run, with true values).

    Raises NoBoundError where the solver has none in its time, or where no plan does all the work: emissions of
    different work cannot be compared."""
    fleet = world.fleet if isinstance(world, World) else world
    if fleet.offload_room_batches is None and fleet.limits.deadline_slots >= fleet.horizon:
        first = first_backlog(fleet)
        fleet = replace(fleet, backlog_batches=first.batches, offload_room_batches=first.room)
    if fleet.size > PAIRWISE_AT_MOST and fleet.loss_fraction is None:
        if not fleet.limits.may_sleep:
            return _by_hub(fleet, restrictions)
        if fleet.limits.transfer_cap_over == "slot":
            return _by_schedules(fleet, restrictions)
    program = build(fleet, restrictions, whole_batches=True, tie_break=False, hub=fits_hub(fleet))
    solution = solve(program, options)
    if solution.values is None or solution.bound is None:
        raise NoBoundError(f"no bound: the solver said {solution.message!r}; give it more time")
    if late := unserved(program, solution.values):
        raise NoBoundError(f"no bound: no node can run {late:.4g} batches within the limits")
    return Bound(
        objective_g=solution.bound * program.grams_per_unit,
        plan_g=Plan(program, solution.values).objective_g,
        gap_fraction=solution.gap_fraction or 0.0,
    )


def _by_hub(fleet: Fleet, restrictions: Restrictions) -> Bound:
    """From the decomposition; from the hub LP itself where (D6) is kept over the horizon, which the former cannot."""
    program = hub.from_fleet(fleet, restrictions, whole_batches=True)
    if program.carries_cap:
        lp, columns, units = hub_lp.build(program)
        solved = solve_lp(lp.cost, lp.matrix, lp.row_lower, lp.row_upper, lp.column_upper)
        if solved.values is None or solved.objective is None:
            raise NoBoundError(f"no bound: the solver said {solved.message!r}")
        plan, objective_g = hub_lp.plan_of(columns, units, solved.values), solved.objective * units.grams
        _refuse_unserved(plan)
        return Bound(objective_g, objective_g, 0.0)
    found = decomposition.solve(program, HUB_GAP_FRACTION)
    _refuse_unserved(found.plan)
    return Bound(found.bound_g, found.objective_g, found.gap_fraction)


def _by_schedules(fleet: Fleet, restrictions: Restrictions) -> Bound:
    """Of a fleet some or all of whose nodes may sleep, from the search over schedules."""
    search = search_of(
        fleet, restrictions, lambda one: decomposition.solve(one, HUB_GAP_FRACTION), HUB_GAP_FRACTION
    )
    best = search.best()
    if best.undone:
        _refuse_unserved(best.found.plan)
    objective_g = best.found.objective_g
    gap = max(objective_g - search.bound_g, 0.0) / best.scale_g(0.0)
    return Bound(search.bound_g, objective_g, gap)


def _refuse_unserved(plan: hub.HubPlan) -> None:
    late = float(plan.unserved_batches.sum())
    if late > 1e-6:
        raise NoBoundError(f"no bound: no node can run {late:.4g} batches within the limits")
