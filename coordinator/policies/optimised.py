"""Common part of the policies that solve the one model: program, solve, whole batches, and the slot's decision.

A policy of this family differs only in its ``restrictions`` (table of methods.md section 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from carbon_data.stored_value import StoredValue
from coordinator.market.backlog import Backlog
from coordinator.market.decision import (
    PAIRWISE_FORM,
    TIME_LIMIT,
    Feasible,
    FleetDecision,
    Infeasible,
    Optimal,
    Outcome,
    home_and_moves,
)
from coordinator.market.fleet import Fleet, Floats, Ints
from coordinator.market.layout import Restrictions
from coordinator.market.outlook import Outlook, plan_ahead, plans_alone, plans_per_day, value_after
from coordinator.market.plan import Plan
from coordinator.market.program import HUB_FROM, Program, build, fits_hub, hub_slots
from coordinator.market.rounding import WorkLimits, clip_transfers, offload_room, round_batches
from coordinator.market.solve import Session, Solution, SolverOptions, explain_unserved, unserved
from coordinator.market.wide.decide import WIDE_FROM, why_pairwise
from coordinator.market.wide.decide import decide as decide_wide
from coordinator.market.window import window
from coordinator.policies.local import local_decision

_PROVEN = 1e-6
"""Relative gap below which a plan counts as optimal: the solver's own tolerance."""
_ZERO = 1e-6
"""Objectives below this share of the plan's bill without green energy are as good as zero: gaps are relative to it."""


MOST_STEPS = 24
"""Steps of (D9) in a program; a day of a node has about ten."""
SLEEP_TIME_LIMIT_S = 20.0
"""Default limit of a mixed-integer solve, whose time may grow without bound: ten nodes and 24 slots in which
work may wait take minutes to close. Look ahead 6 to 12 slots where nodes may sleep."""


PAIR_SLOTS = 10_000
"""Pairs of nodes times slots of a plan by pair that take about half a CPU second."""


def quick_slots(nodes: int, deadline_slots: int, may_sleep: bool, solves: bool) -> int:
    """Slots that a decision of so many nodes looks ahead where nothing is said: as many as take half a CPU second.

    ``deadline_slots``: slots that work may wait. ``solves``: by a policy that solves the model, and not a market."""
    by_pair = max(PAIR_SLOTS // max(nodes * (nodes - 1), 1), 1)
    if nodes >= WIDE_FROM:  # the hub form: work that may wait needs a plan that looks as far
        return max(by_pair, deadline_slots + 1)
    if nodes >= HUB_FROM and solves and not may_sleep:
        return max(by_pair, hub_slots(nodes, deadline_slots))
    return by_pair


@dataclass(frozen=True)
class ModelPolicy:
    """Optimises the slots that the fleet asks it to decide, applies the first (model predictive control).

    What is stored at their end is worth what the slots after them can use it for (D9). horizon: slots optimised at
    most; None: the fleet's ``decision_slots``; 1: myopic. mip_gap: relative gap at which a solve may stop where nodes
    may sleep, and that a large fleet's decision may have (hub form, wide/decide.py). time_limit_s: wall seconds per
    solve of the pairwise form; None: none, but SLEEP_TIME_LIMIT_S where nodes may sleep. On time-out the best plan
    found is used with its gap, or LOCAL's rule when there is none; the outcome gives which. plans_per_day: how often
    hub prices and loads are planned for (D9); None: as the fleet's size asks for (outlook.py)."""

    horizon: int | None = None
    mip_gap: float = 1e-3
    time_limit_s: float | None = None
    plans_per_day: int | None = None

    name: ClassVar[str]
    restrictions: ClassVar[Restrictions]
    uses_harvest: ClassVar[bool] = True
    """False: the runner gives the nodes of this policy no harvest and no battery (GRID)."""

    def __post_init__(self) -> None:
        if self.horizon is not None and self.horizon < 1:
            raise ValueError(
                f"horizon is {self.horizon}; allowed is 1 or more slots, or none for all that is known"
            )
        if self.plans_per_day is not None and self.plans_per_day < 1:
            raise ValueError(
                f"plans_per_day is {self.plans_per_day}; allowed is 1 or more, or none for what the fleet's size "
                "asks for"
            )
        self.solver_options()

    def solver_options(self, may_sleep: bool = False) -> SolverOptions:
        limit = SLEEP_TIME_LIMIT_S if may_sleep and self.time_limit_s is None else self.time_limit_s
        return SolverOptions(mip_gap_fraction=self.mip_gap, time_limit_s=limit)

    def init(self, seed: int) -> Outlook | None:
        """No hub prices yet."""
        return None

    def view(self, fleet: Fleet) -> Fleet:
        """The fleet as far as this policy knows it."""
        return fleet

    def decided_slots(self, fleet: Fleet) -> int:
        """Slots of ``fleet`` that are optimised.

        Where nodes plan alone on uncertain harvest: those in which the slot's work may run. (D9) is exact for a node
        alone, and expects what lies beyond; a longer plan would take the forecast for certain."""
        most = [slots for slots in (self.horizon, fleet.decision_slots) if slots is not None]
        if fleet.harvest_spread_fraction > 0 and self._alone(fleet) and not fleet.limits.may_sleep:
            most.append(1 + fleet.limits.deadline_slots)
        return min([fleet.horizon, *most])

    def _alone(self, fleet: Fleet) -> bool:
        return plans_alone(fleet, self.restrictions)

    def follow(self, fleet: Fleet, state: Outlook | None) -> Outlook | None:
        """State after a slot: hub prices and loads of the last plan, renewed a few times a day. What a restarted
        coordinator asks in place of deciding all past slots again."""
        known = self.view(fleet)
        needs_no_plan = self._alone(known) and not known.sleepers().any()
        if needs_no_plan or self._sees_the_end(known):
            return state
        per_day = plans_per_day(known) if self.plans_per_day is None else self.plans_per_day
        holds = state is not None and state.holds(known, per_day)
        return state if holds else plan_ahead(known, self.restrictions)

    def _sees_the_end(self, known: Fleet) -> bool:
        """Whether all that is known is optimised, to the end of the run: the fleet's own value is then right."""
        return self.decided_slots(known) == known.horizon and known.later_slots == 0

    def ahead(self, fleet: Fleet, state: Outlook | None) -> tuple[Fleet, StoredValue | None]:
        """The slots to optimise, and what a joule stored at their end is worth. ``state``: that after ``follow``."""
        known = self.view(fleet)
        if self._sees_the_end(known):
            return known, None
        slots = self.decided_slots(known)
        value = value_after(known, slots, state, self.restrictions.transfers)
        if value.grams_per_j.shape[1] > MOST_STEPS:
            value = value.in_steps(MOST_STEPS)
        return window(known, slots), value

    def program(self, fleet: Fleet, state: Outlook | None = None, *, scaled: bool = True) -> Program:
        """The program this policy solves for ``fleet`` in ``state``; ``scaled=False``: in J, batches and g, to be read
        by people."""
        decided, value = self.ahead(fleet, self.follow(fleet, state))
        return build(decided, self.restrictions, whole_batches=True, scaled=scaled, stored_value=value)

    def decide(self, fleet: Fleet, state: Outlook | None) -> tuple[FleetDecision, Outlook | None]:
        """Decision for the slot of the optimal plan."""
        options, state = self.solver_options(fleet.limits.may_sleep), self.follow(fleet, state)
        decided, value = self.ahead(fleet, state)
        why = why_pairwise(decided)
        if why is None:
            return decide_wide(decided, self.restrictions, self.mip_gap, value), state
        decision = optimise(decided, self.restrictions, options, stored_value=value)
        if fleet.size >= WIDE_FROM and not fits_hub(decided):  # a small fleet's form needs no reason
            decision = replace(decision, notes=decision.notes | {PAIRWISE_FORM + why: 1.0})
        return decision, state


Reprice = Callable[[Program], Program]
"""The same program with other costs."""


def optimise(
    fleet: Fleet,
    restrictions: Restrictions,
    options: SolverOptions | None = None,
    reprice: Reprice | None = None,
    watch: Callable[[Plan], None] | None = None,
    stored_value: StoredValue | None = None,
    hub: bool | None = None,
) -> FleetDecision:
    """Solve the model for ``fleet`` and turn the first slot of the plan into a decision.

    ``reprice``: another objective than (D0); default: none. ``stored_value``: (D9), see program.build. ``watch`` is
    given the plan that the decision is from. ``hub``: flows by node to and from a hub, or by pair; None: as
    ``fits_hub`` says.

    The batches of the slot are rounded to whole ones, then the energy is planned again around them, from the
    last basis. The outcome's gap is that of the whole plan with whole batches in the first slot, against the
    proven bound."""
    hub = fits_hub(fleet) if hub is None else hub
    program = build(fleet, restrictions, whole_batches=True, stored_value=stored_value, hub=hub)
    if reprice is not None:
        program = reprice(program)
    session = Session(program, options)
    first = session.run()
    if first.values is None:
        why = f"{TIME_LIMIT}, no plan found" if first.timed_out else f"no plan ({first.message})"
        return local_decision(fleet, Feasible(None, f"fallback: LOCAL's rule, for the solver: {why}"))
    plan = Plan(program, first.values)
    awake = plan.awake[:, 0]
    limits = WorkLimits.of(fleet, awake)
    fractional = plan.batches(0)
    batches = round_batches(fractional, limits)
    settled = np.abs(batches - fractional).max() < _PROVEN and not _drawn_beside(program, batches).any()
    if not settled:
        second, plan = _around(session, plan, batches)
        late = unserved(program, first.values)
        if second is None or unserved(program, plan.values) > late + _PROVEN:
            earlier = round_batches(fractional, limits, early=True)
            third, other = _around(session, plan, earlier)
            if (
                third is not None
                and unserved(program, other.values) < unserved(program, plan.values) - _PROVEN
            ):
                batches, plan = earlier, other
    home, moves = home_and_moves(batches)
    missed = np.maximum(limits.due - batches.sum(axis=1), 0)
    undone = max(unserved(program, plan.values), float(missed.sum()))
    if first.timed_out and undone:
        # what a plan cut short leaves undone says nothing about the limits: LOCAL may serve it all
        why = f"{TIME_LIMIT}, best plan found leaves {undone:.6g} batches undone"
        local = local_decision(fleet, Feasible(None, f"fallback: LOCAL's rule, for the solver: {why}"))
        if local.unserved_batches.sum() <= missed.sum():
            return local
    if watch is not None:
        watch(plan)
    charge_j, discharge_j = _battery(plan)
    outcome = outcome_of(first, plan, missed)
    return FleetDecision(
        home_batches=home,
        moves=moves,
        transfers=clip_transfers(plan.transfers(0), fleet),
        charge_j=charge_j,
        discharge_j=discharge_j,
        awake=awake.copy(),
        outcome=outcome,
        unserved_batches=missed,
        notes={"objective_g": plan.objective_g, "plan_emissions_g": plan.emissions_g},
    )


def _around(session: Session, plan: Plan, batches: Ints) -> tuple[Solution | None, Plan]:
    """The plan with ``batches`` (and who is awake) as given and everything else optimised again."""
    program, layout, fleet = session.program, session.program.layout, session.program.fleet
    home = np.diag(batches)
    away = batches.sum(axis=1) - home
    room = offload_room(fleet) if fleet.offloadable[0] else np.zeros_like(fleet.backlog_batches)
    stay, leave = Backlog(fleet.backlog_batches, np.minimum(room, fleet.backlog_batches)).take(home, away)
    now = np.flatnonzero(layout.entry_slot == 0)
    last = layout.backlog_classes - 1

    def merged(by_deadline: Ints) -> Floats:
        return np.column_stack([by_deadline[:, :last], by_deadline[:, last:].sum(axis=1)]).astype(float)

    session.fix(layout.columns["home"][:, now].ravel(), merged(stay).ravel())
    demand = layout.rows["D1_energy_use"][:, 0]
    beside = _drawn_beside(program, batches) / program.joules_per_unit
    session.set_right(demand, program.row_lower[demand] + beside)
    if "w" in layout.columns:
        moved = batches[layout.owner, layout.executor].astype(float)
        session.fix(layout.columns["w"][:, 0], moved)
    elif "O" in layout.columns:
        session.fix(layout.columns["O"][:, 0], away.astype(float))
        session.fix(layout.columns["G"][:, 0], (batches.sum(axis=0) - home).astype(float))
    if layout.split:
        session.fix(layout.columns["away"][:, now].ravel(), merged(leave).ravel())
    if "a" in layout.columns:
        session.fix(layout.columns["a"].ravel(), plan.awake.ravel().astype(float))
        session.relax_integers()
    solution = session.run()
    if solution.values is None:
        return None, plan
    return solution, Plan(program, solution.values)


def _drawn_beside(program: Program, batches: Ints) -> Floats:
    """(N,) J that (D1) of the slot lacks when its whole ``batches`` are known: the model's m_i where the node runs any,
    less the share of it that every batch has brought along. Zero where it was sure that the node runs."""
    fleet, run = program.fleet, batches.sum(axis=0)
    if fleet.model_j is None:
        return np.zeros(fleet.size)
    share_j = program.model_share_j[:, 0]
    return np.where((share_j > 0) & (run > 0), fleet.model_j[:, 0] - share_j * run, 0.0)


def outcome_of(first: Solution, plan: Plan, missed: Ints) -> Outcome:
    """What is proven of ``plan`` by the bound of the ``first`` solve, or what keeps it from doing all work.

    ``missed``: (N,) batches at their deadline that the whole batches of the slot leave undone."""
    late = unserved(plan.program, plan.values)
    if late > 0 or missed.any():
        reason = explain_unserved(plan.program)
        if reason.excess:
            return reason
        return Infeasible(
            (*reason.conflicts, "whole batches: a fractional plan would do"),
            {"(D4) unserved [batches]": max(late, float(missed.sum()))},
        )
    if first.bound is None:
        return Feasible(
            None, f"{TIME_LIMIT}, best plan found, no bound" if first.timed_out else first.message
        )
    # the bound is of the program's objective; the plan's own is measured on the same scale
    program = plan.program
    objective = float(program.cost @ plan.values) - program.quiet_cost(plan.values)
    scale = max(abs(objective), plan.emissions_g / program.grams_per_unit, _ZERO * _bill(plan))
    gap = max(objective - first.bound, 0.0) / scale
    if gap <= _PROVEN:
        return Optimal(plan.objective_g)
    if first.timed_out:
        return Feasible(gap, f"{TIME_LIMIT}, best plan found")
    if first.optimal:
        return Feasible(gap, "whole batches")
    return Feasible(gap, "within the gap asked for" if first.message == "Optimal" else first.message)


def _bill(plan: Plan) -> float:
    """What all energy that the plan uses would cost at the mean intensity, in the program's units of grams."""
    return float((plan.grid_j + plan.green_j).sum()) / plan.program.joules_per_unit


def _battery(plan: Plan) -> tuple[Floats, Floats]:
    """Charge and discharge of the first slot; doing both at once only wastes, so only their difference is
    done."""
    charge, discharge = plan.charge_j[:, 0], plan.discharge_j[:, 0]
    both = np.minimum(charge, discharge)
    return charge - both, discharge - both
