"""Whole batches of the first slot, and what running anything draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.decision import Feasible, Optimal
from coordinator.market.fleet import Fleet
from coordinator.market.instances import reference_day
from coordinator.market.layout import Restrictions
from coordinator.market.rounding import WorkLimits
from coordinator.market.wide import decomposition
from coordinator.market.wide.decide import decide
from coordinator.market.wide.first_slot import FirstSlot
from coordinator.market.wide.hub import from_fleet
from coordinator.policies.optimised import optimise
from coordinator.policies.validate import violations

DETA = Restrictions(transfers=True, offloading=True, harvest=True)


def two_kinds(nodes: int = 24) -> Fleet:
    """Every second node has sun and a clean grid; all have four batches and draw as much for the model as for one. All
    work may leave, and a node holds two guests: half of the others' work can move."""
    even = np.arange(nodes) % 2 == 0
    day = reference_day(1, nodes=nodes)
    joules = float(day.joules_per_batch[0, 0])
    return replace(
        day,
        limits=replace(day.limits, offload_cap_fraction=1.0),
        intensity_g_per_kwh=np.where(even, 40.0, 480.0)[:, None],
        harvest_j=np.where(even, 1.1 * day.static_w * day.slot_s + 2.5 * joules, 0.0)[:, None],
        backlog_batches=np.full((nodes, 1), 4),
        joules_per_batch=np.full((nodes, 1), joules),
        seconds_per_batch=np.full((nodes, 1), float(day.seconds_per_batch[0, 0])),
        model_j=np.full((nodes, 1), joules),
        battery_capacity_j=np.zeros(nodes),
        storage_bytes=np.full(nodes, 2.0 * float(day.bytes_per_batch[0])),
    )


def test_nodes_alike_cost_no_more_than_in_the_pairwise_form() -> None:
    fleet = two_kinds()
    wide, pairwise = decide(fleet, DETA), optimise(fleet, DETA)
    assert violations(fleet, wide) == []
    assert wide.notes["objective_g"] <= pairwise.notes["objective_g"] * (1 + 1e-3)
    idle = (wide.run_batches() == 0).sum()
    assert idle > 0, "some nodes give all they have and save the model's joules"


def test_the_stated_gap_is_that_of_the_best_of_three() -> None:
    fleet = two_kinds()
    found = decide(fleet, DETA)
    program = from_fleet(fleet, DETA, whole_batches=True)
    solved = decomposition.solve(program, 1e-6)
    limits = WorkLimits.of(fleet, np.ones(fleet.size, dtype=bool))
    alone = FirstSlot(fleet, DETA, program, solved.plan, limits).whole()
    assert found.notes["objective_g"] < 0.98 * alone.objective_g
    assert isinstance(found.outcome, Optimal | Feasible)
    assert found.notes["objective_g"] - solved.bound_g <= (
        (getattr(found.outcome, "gap_fraction", 0.0) or 0.0) + 1e-3
    ) * max(found.notes["objective_g"], found.notes["plan_emissions_g"])


@pytest.mark.parametrize("slots", [1, 3])
def test_planning_anew_around_the_same_batches_is_never_worse(slots: int) -> None:
    fleet = reference_day(slots, nodes=9)
    program = from_fleet(fleet, DETA, whole_batches=True)
    solved = decomposition.solve(program, 1e-6)
    first = FirstSlot(fleet, DETA, program, solved.plan, WorkLimits.of(fleet, np.ones(9, dtype=bool)))
    kept, anew = first.whole(), first.whole(None, lambda rest: decomposition.solve(rest, 1e-6).plan)
    assert anew.work.home.tolist() == kept.work.home.tolist()
    assert anew.objective_g <= kept.objective_g * (1 + 1e-5)
    assert anew.objective_g >= solved.bound_g
    assert anew.plan.unserved_batches.sum() == kept.plan.unserved_batches.sum() == 0.0
