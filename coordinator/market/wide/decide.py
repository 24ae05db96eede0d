"""Decision of a large fleet in the hub form: hub prices to a proven gap, whole batches, pairs.

The pairwise form has N^2 T variables, this one N T. The decomposition plans all that is decided; the slot's batches are
made whole at the hub (whole_work.py), energy is planned around them (first_slot.py), and any filling of the hub's
ledger gives the pairs (hub_recovery.py). The gap of the decision is that of the plan with whole batches against the
decomposition's bound; where it is more than was asked for, other whole batches are tried and the rest is planned again.
Where all or some nodes may sleep, who is awake is searched for first (schedules.py); the gap is then against that
search's bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carbon_data.stored_value import StoredValue
from coordinator.market.decision import WIDE_FORM, Feasible, FleetDecision, Infeasible, Optimal, Outcome
from coordinator.market.fleet import Bools, Fleet, Ints
from coordinator.market.layout import Restrictions
from coordinator.market.pairs import Transfers
from coordinator.market.rounding import WorkLimits, clip_transfers
from coordinator.market.wide import decomposition
from coordinator.market.wide.first_slot import FirstSlot, WholePlan
from coordinator.market.wide.hub import HubPlan, HubProgram, due_slots, from_fleet
from coordinator.market.wide.hub_recovery import fill, fill_whole
from coordinator.market.wide.schedules import NO_BATCH, search_of
from coordinator.market.wide.value_steps import with_value
from coordinator.market.wide.whole_work import kinds

WIDE_FROM = 61
"""Nodes from which the hub form decides, where it can: it is as good and quicker from there on."""
VALUE_STEPS = 8
"""Steps of (D9): each costs as much as a slot. Eight lose 0.1 % against 32."""
SHARE_OF_GAP = 0.5
"""Of the gap asked for, what the decomposition may take; whole batches take the rest."""
SEARCH_GAP = 1e-3
"""Least gap that is asked of a plan in the search for who sleeps: hundreds are made in a day."""
_LEAST_GAP, _MOST_GAP = 1e-7, 1e-2
_NO_BATCH = 1e-6
_DUST = 1e-6
"""Share of a node's mean static energy below which a transfer is none."""


def why_pairwise(fleet: Fleet) -> str | None:
    """What keeps ``fleet`` from being decided in the hub form; None: nothing does."""
    if fleet.size < WIDE_FROM:
        return f"{fleet.size} nodes, fewer than {WIDE_FROM}"
    if fleet.loss_fraction is not None:
        return "losses by pair"
    if fleet.limits.transfer_cap_over == "horizon":
        return "transfer cap over the horizon"
    return None


def decide(
    fleet: Fleet,
    restrictions: Restrictions,
    gap_fraction: float = 1e-3,
    stored_value: StoredValue | None = None,
    workers: int | None = None,
) -> FleetDecision:
    """Plan ``fleet`` and decide its first slot, with the proven gap in the outcome. Raises NotProductFormError and
    ValueError for what ``why_pairwise`` names, but its number of nodes.

    ``stored_value``: (D9), as in program.build; None: every joule is worth ``fleet.stored_value_g_per_j``. ``workers``:
    threads; they change the time alone."""
    given = _Planned.of(fleet, restrictions, gap_fraction, stored_value, workers)
    planned, worth_g, wanted, awake = given.program, given.worth_g, given.wanted, given.awake
    limits = WorkLimits.of(fleet, awake)
    first = FirstSlot(fleet, restrictions, planned, given.plan, limits)
    bound_g = given.bound_g - worth_g
    must = np.flatnonzero(due_slots(fleet) < fleet.horizon)

    least = NO_BATCH if fleet.limits.may_sleep else _NO_BATCH

    def undone(one: WholePlan) -> float:
        batches = float(one.plan.unserved_batches[must].sum())
        return batches if batches > least else 0.0

    def planned_again(rest: HubProgram) -> HubPlan:
        return decomposition.solve(rest, wanted, workers=workers).plan

    chosen = first.whole()
    full = chosen.plan.unserved_batches.sum(axis=0) > _NO_BATCH
    if (
        planned.deadline_slots and full.any()
    ):  # their later slots are full: no less now than the fractions say
        chosen = min(chosen, first.whole(early=full), key=lambda one: (undone(one), one.objective_g))
    for alike, early in _others(kinds(limits, planned.joules_per_batch[0]), undone(chosen) > 0.0):
        if undone(chosen) == 0.0 and _gap(chosen, worth_g, bound_g) <= gap_fraction:
            break
        other = first.whole(alike, planned_again, early=early | full)
        chosen = min(chosen, other, key=lambda one: (undone(one), one.objective_g))
    work, around, plan = chosen.work, chosen.program, chosen.plan
    objective, emissions_g = chosen.objective_g - worth_g, chosen.emissions_g
    missed = np.maximum(limits.due - work.home - work.away, 0)
    return FleetDecision(
        home_batches=work.home,
        moves=fill_whole(work.away, work.guests),
        transfers=clip_transfers(_transfers(around, plan), fleet),
        charge_j=np.maximum(plan.charge_j[0] - plan.discharge_j[0], 0.0),
        discharge_j=np.maximum(plan.discharge_j[0] - plan.charge_j[0], 0.0),
        awake=awake,
        outcome=_outcome(
            objective,
            _gap(chosen, worth_g, bound_g),
            max(float(missed.sum()), undone(chosen)),
            fleet.size,
            fleet.limits.may_sleep,
        ),
        unserved_batches=missed,
        notes={"objective_g": objective, "plan_emissions_g": emissions_g, "wide_form": 1.0} | given.notes,
    )


@dataclass(frozen=True, slots=True)
class _Planned:
    """A plan of all that is decided, with fractions of batches."""

    program: HubProgram
    plan: HubPlan
    bound_g: float
    worth_g: float
    """Of objective and bound, what full batteries are worth."""
    wanted: float
    """Gap asked of the decomposition."""
    awake: Bools
    """(N,) in the slot that is decided."""
    notes: dict[str, float]

    @classmethod
    def of(
        cls,
        fleet: Fleet,
        restrictions: Restrictions,
        gap_fraction: float,
        stored_value: StoredValue | None,
        workers: int | None,
    ) -> _Planned:
        steps = None if stored_value is None else _few(stored_value)

        program, worth_g = from_fleet(fleet, restrictions, whole_batches=True), 0.0
        if steps is not None:
            program, worth_g = with_value(program, steps)
        wanted = _wanted(fleet, program, worth_g, gap_fraction)
        if not fleet.limits.may_sleep:
            found = decomposition.solve(program, wanted, workers=workers)
            awake = np.ones(fleet.size, dtype=bool)
            return cls(program, found.plan, found.bound_g, worth_g, wanted, awake, {})
        search = search_of(
            fleet,
            restrictions,
            lambda one: decomposition.solve(one, max(wanted, SEARCH_GAP), workers=workers),
            gap_fraction,
            steps,
        )
        best = search.best()
        notes = {"asleep_fraction": float(1.0 - best.awake.mean()), "schedules": float(search.planned)}
        return cls(
            best.program, best.found.plan, search.bound_g, worth_g, wanted, best.awake[0].copy(), notes
        )


def _others(alike: Ints, undone: bool) -> list[tuple[Ints | None, bool]]:
    """Other whole batches to try, in this order: whole_work's ``alike`` and ``early``."""
    found: list[tuple[Ints | None, bool]] = [(None, True)] if undone else []
    found.append((None, False))
    if len(np.unique(alike)) < len(alike):  # else each node is a kind of its own, which changes nothing
        found.append((alike, False))
    return found


def _few(value: StoredValue) -> StoredValue:
    return value if value.grams_per_j.shape[1] <= VALUE_STEPS else value.in_steps(VALUE_STEPS)


def _wanted(fleet: Fleet, planned: HubProgram, worth_g: float, gap_fraction: float) -> float:
    """Gap to ask the decomposition for. Its objective counts the worth of full batteries and the decision's does not:
    the decision's gap is relative to less, here estimated by the bill of the static load."""
    bill_g = float(np.vdot(planned.grams_per_j[: fleet.horizon], planned.static_j[: fleet.horizon]))
    share = bill_g / (bill_g + worth_g) if bill_g + worth_g > 0 else 1.0
    return float(np.clip(gap_fraction * share * SHARE_OF_GAP, _LEAST_GAP, _MOST_GAP))


def _gap(found: WholePlan, worth_g: float, bound_g: float) -> float:
    """How far a plan can be from the optimum, relative to its objective or, where that is near nothing, its grams."""
    objective = found.objective_g - worth_g
    scale = max(abs(objective), found.emissions_g)
    return max(objective - bound_g, 0.0) / scale if scale > 0 else 0.0


def _transfers(program: HubProgram, plan: HubPlan) -> Transfers:
    """J as they leave the donors."""
    least = _DUST * float(program.static_j[0].mean())
    given = np.where(plan.export_j[0] > least, plan.export_j[0], 0.0)
    taken = np.where(plan.import_j[0] > least, plan.import_j[0], 0.0)
    flows = fill(program.export_efficiency * given, taken)
    # no flow comes from a node whose export efficiency is zero: it gives nothing to the hub
    return flows.with_amounts(flows.amount / program.export_efficiency[flows.source])


def _outcome(objective: float, gap: float, undone: float, nodes: int, sleeps: bool = False) -> Outcome:
    """``undone``: batches of all planned slots that the plan leaves undone; below ``_NO_BATCH`` they are none."""
    if undone > _NO_BATCH:
        return Infeasible(
            ("(D4) all work done by its deadline", f"{undone:g} batches have no place"),
            {"(D4) unserved [batches]": undone},
        )
    if gap <= decomposition.OPTIMAL_GAP:
        return Optimal(objective)
    of = "schedule and whole batches" if sleeps else "plan with whole batches"
    return Feasible(gap, f"{WIDE_FORM} for {nodes} nodes: proven gap of the {of}")
