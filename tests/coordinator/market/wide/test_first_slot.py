"""Whole batches of the first slot, and what running anything draws."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from coordinator.market.backlog import Backlog
from coordinator.market.decision import Feasible, Optimal
from coordinator.market.fleet import Fleet
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.layout import Restrictions
from coordinator.market.participation import model_energy
from coordinator.market.rounding import WorkLimits
from coordinator.market.wide import decomposition
from coordinator.market.wide.decide import decide
from coordinator.market.wide.first_slot import FirstSlot
from coordinator.market.wide.hub import HubPlan, HubProgram, by_class, from_fleet, objective_g
from coordinator.market.wide.repair import repair
from coordinator.market.wide.whole_work import whole_work
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


def waiting_work(offloadable: bool = True, model: bool = True) -> tuple[Fleet, HubProgram, HubPlan]:
    """Three nodes, four slots, work that may wait one: a fleet, its program, and a plan with fractions of batches."""
    rng = np.random.default_rng(3)
    fleet = random_fleet(
        8,
        3,
        4,
        deadline_slots=1,
        slot_s=60.0,
        backlog_batches=np.array([[2, 3], [1, 4], [0, 2]]),
        release_batches=rng.integers(1, 5, (3, 3)),
        seconds_per_batch=rng.uniform(4, 7, (3, 4)),
        joules_per_batch=rng.uniform(3, 9, (3, 4)),
        bytes_per_batch=np.full(4, 2.0),
        storage_bytes=np.full(3, 8.0),
        tx_j_per_byte=rng.uniform(0.1, 0.9, 3),
        rx_j_per_byte=rng.uniform(0.1, 0.9, 3),
        model_j=rng.uniform(5, 9, (3, 4)) if model else None,
        offloadable=np.array([offloadable, True, True, True]),
    )
    fleet = replace(fleet, limits=replace(fleet.limits, offload_cap_fraction=0.7, net_j_per_byte=3.0))
    program = from_fleet(fleet, DETA, whole_batches=True)
    plan = decomposition.solve(program, 1e-2, workers=1).plan
    away, guests = np.array([[0.9, 0.0, 0.3], [0.8, 0.0, 0.6]]), np.array([0.0, 2.4, 0.2])
    own = plan.own_batches.copy()
    own[:, 0] = [[0.5, 1.2, 0.6], [0.4, 1.1, 0.7]]
    offload = plan.offload_batches.copy()
    offload[:, 0] = away if offloadable else 0.0
    guest = plan.guest_batches.copy()
    guest[0] = guests
    return fleet, program, replace(plan, own_batches=own, offload_batches=offload, guest_batches=guest)


@pytest.mark.parametrize("solves", [False, True])
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("kind", [None, np.array([0, 0, 1])])
def test_a_plan_around_whole_batches_by_hand(kind: np.ndarray | None, early: bool, solves: bool) -> None:
    fleet, program, point = waiting_work()
    limits = WorkLimits.of(fleet, np.ones(3, dtype=bool))
    before = {spec.name: np.copy(getattr(program, spec.name)) for spec in fields(program)}
    asked: list[HubProgram] = []

    def plan_anew(rest: HubProgram) -> HubPlan:
        asked.append(rest)
        return decomposition.solve(rest, 1e-2, workers=1).plan

    found = FirstSlot(fleet, DETA, program, point, limits).whole(
        kind, plan_anew if solves else None, early=early
    )
    leaving = point.offload_batches[0, 0] + point.offload_batches[1, 0]
    total = point.own_batches[0, 0] + point.own_batches[1, 0] + leaving
    work = whole_work(total, leaving, point.guest_batches[0], limits, kind, early=early)
    for name in ("home", "away", "guests"):
        assert getattr(found.work, name).tolist() == getattr(work, name).tolist()
    assert work.away.sum() > 0
    room = np.floor(0.7 * fleet.backlog_batches + 1e-9).astype(int)
    stay, leave = Backlog(fleet.backlog_batches, room).take(work.home, work.away)
    share = model_energy(fleet, offloading=True).share_j[:, 0]
    assert (share > 0).any()
    drawn, settled = program.static_j[0].copy(), np.zeros(3)
    for n in range(3):
        run = work.home[n] + work.guests[n]
        if share[n] > 0 and run > 0:
            drawn[n] += fleet.model_j[n, 0] - share[n] * run  # type: ignore[index]
        settled[n] = program.joules_per_batch[0, n] * run + program.guest_j[0, n] * work.guests[n]
        settled[n] += program.owner_j[0, n] * work.away[n]
    wanted = dict(before) | {"static_j": np.vstack([drawn[None], program.static_j[1:]])}
    for spec in fields(program):
        np.testing.assert_allclose(getattr(found.program, spec.name), wanted[spec.name], err_msg=spec.name)
        np.testing.assert_array_equal(getattr(program, spec.name), before[spec.name])
    batches, leaves = before["class_batches"].copy(), before["offload_cap_batches"].copy()
    batches[:2] -= (stay + leave).T
    leaves[:2] = np.maximum(leaves[:2] - leave.T, 0.0)
    guests, closed = before["guest_cap_batches"].copy(), before["closed"].copy()
    guests[0], closed[:, 0] = 0.0, True
    static = np.vstack([(drawn + settled)[None], program.static_j[1:]])
    rest = wanted | {"static_j": static, "class_batches": batches, "offload_cap_batches": leaves}
    rest |= {"guest_cap_batches": guests, "closed": closed}
    if solves:
        for spec in fields(program):
            np.testing.assert_allclose(getattr(asked[0], spec.name), rest[spec.name], err_msg=spec.name)
    kept = decomposition.solve(asked[0], 1e-2, workers=1).plan if solves else point
    repaired = repair(replace(program, **rest), kept)
    own, offload, guest = (
        part.copy() for part in (repaired.own_batches, repaired.offload_batches, repaired.guest_batches)
    )
    own[:, 0], offload[:, 0], guest[0] = stay.T, leave.T, work.guests
    around = replace(repaired, own_batches=own, offload_batches=offload, guest_batches=guest)
    for spec in fields(around):
        np.testing.assert_allclose(
            getattr(found.plan, spec.name), getattr(around, spec.name), err_msg=spec.name
        )
    assert found.objective_g == pytest.approx(objective_g(found.program, found.plan))
    grams = sum(
        program.grams_per_j[t, n] * around.grid_j[t, n]
        + program.network_g[t, n] * (offload[:, t, n].sum() + guest[t, n])
        for t in range(4)
        for n in range(3)
    )
    assert found.emissions_g == pytest.approx(grams)


def test_what_may_leave_in_the_slot_that_is_decided() -> None:
    for offloadable in (True, False):
        for may in (True, False):
            fleet, program, point = waiting_work(offloadable)
            rules = Restrictions(transfers=True, offloading=may, harvest=True)
            first = FirstSlot(fleet, rules, program, point, WorkLimits.of(fleet, np.ones(3, dtype=bool)))
            room = np.floor(0.7 * fleet.backlog_batches + 1e-9) if offloadable and may else np.zeros((3, 2))
            assert first.backlog.room.tolist() == room.tolist()
            assert first.backlog.batches.tolist() == fleet.backlog_batches.tolist()
    said = replace(waiting_work()[0], offload_room_batches=np.array([[9, 1], [0, 9], [0, 1]]))
    first = FirstSlot(said, DETA, program, point, WorkLimits.of(said, np.ones(3, dtype=bool)))
    assert first.backlog.room.tolist() == [[2, 1], [0, 4], [0, 1]], "no more than there is"


def test_without_models_nothing_is_drawn_beside_the_batches() -> None:
    fleet, program, point = waiting_work(model=False)
    found = FirstSlot(fleet, DETA, program, point, WorkLimits.of(fleet, np.ones(3, dtype=bool))).whole()
    assert found.program.static_j.tolist() == program.static_j.tolist()


def test_what_whole_batches_change_of_a_class_is_shared_by_its_later_slots() -> None:
    """As much of it stays and leaves as planned, in the same proportions."""
    fleet, program, point = waiting_work()
    first = FirstSlot(fleet, DETA, program, point, WorkLimits.of(fleet, np.ones(3, dtype=bool)))
    stay, leave = np.array([[1, 0], [1, 2], [0, 1]]), np.array([[1, 1], [0, 0], [0, 1]])
    found = first._later(stay, leave)
    for name, settled in (("own_batches", stay), ("offload_batches", leave)):
        before, after = getattr(point, name), getattr(found, name)
        planned, later = by_class(before)[1], before[0, 1]
        wanted = np.where(later > 0, np.maximum(planned - settled[:, 1], 0.0), 0.0)
        assert (later > 0).any()
        assert after[0, 1] == pytest.approx(wanted)
        assert after[1, 1].tolist() == before[1, 1].tolist()
        assert after[:, 2:].tolist() == before[:, 2:].tolist()
