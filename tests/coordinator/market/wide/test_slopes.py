"""Plans that pay being awake by the batch gather the work at fewer nodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.optimiser import large_fleet
from coordinator.market.wide import decomposition, hub
from coordinator.market.wide.hub import HubProgram
from coordinator.market.wide.sleep_paths import Sleepers
from coordinator.market.wide.slopes import most_batches, sloped_plans
from tests.coordinator.market.wide.sleeping import EVERYTHING, sleeping_fleet


def free_to_leave(nodes: int, slots: int) -> Sleepers:
    fleet = large_fleet(nodes, slots)
    limits = replace(fleet.limits, may_sleep=True, offload_cap_fraction=1.0)
    fleet = replace(fleet, limits=limits)
    return Sleepers.of(fleet, hub.from_fleet(fleet, EVERYTHING, whole_batches=True))


def test_work_gathers() -> None:
    sleepers = free_to_leave(30, 4)
    plans = list(sloped_plans(sleepers, 4, lambda one: decomposition.solve(one, 1e-3, workers=1)))
    awake = [(one.share > 0.02).mean() for one in plans]
    full = [(one.share > 0.98).mean() for one in plans]
    assert all(one.share.min() >= 0.0 and one.share.max() <= 1.0 + 1e-9 for one in plans)
    assert awake[-1] < awake[0] < 1.0
    assert full[-1] >= full[0]


def test_being_awake_costs_what_it_costs_where_the_plan_is_repeated() -> None:
    """The second plan's slopes times what the first one ran are the static joules, but for the detuning."""
    sleepers = free_to_leave(10, 3)
    asked: list[HubProgram] = []

    def solve(one: HubProgram) -> decomposition.Certified:
        asked.append(one)
        return decomposition.solve(one, 1e-3, workers=1)

    first, _ = sloped_plans(sleepers, 2, solve)
    extra = sleepers.program.static_j - sleepers.data.asleep_j
    most = most_batches(sleepers)
    slope = asked[0].joules_per_batch - sleepers.program.joules_per_batch
    assert slope * most == pytest.approx(extra)
    assert asked[0].static_j == pytest.approx(sleepers.data.asleep_j)
    steady = (first.share > 0.02).all(axis=0)  # awake throughout: nothing for waking up
    paid = (asked[1].joules_per_batch - sleepers.program.joules_per_batch) * first.share * most
    assert steady.any()
    assert paid[:, steady] == pytest.approx(extra[:, steady], rel=0.0201)


def test_most_batches_by_hand() -> None:
    fleet = sleeping_fleet(4, nodes=3, horizon=3)  # work may wait a slot
    sleepers = Sleepers.of(fleet, hub.from_fleet(fleet, EVERYTHING, whole_batches=True))
    p, most = sleepers.program, most_batches(sleepers)
    for t in range(3):
        for n in range(3):
            own = sum(p.class_batches[t + left, n] for left in (0, 1) if not p.closed[left, t])
            here = min(sleepers.data.capacity[t, n], own + p.guest_cap_batches[t, n])
            assert most[t, n] == pytest.approx(max(here, 1.0))
    assert np.isfinite(most).all()


def test_being_awake_is_not_paid_by_nodes_that_cannot_sleep() -> None:
    fleet = replace(large_fleet(6, 3), can_sleep=np.array([True, False] * 3))
    fleet = replace(fleet, limits=replace(fleet.limits, may_sleep=True), asleep=np.ones(6, dtype=bool))
    sleepers = Sleepers.of(fleet, hub.from_fleet(fleet, EVERYTHING, whole_batches=True))
    asked: list[HubProgram] = []

    def solve(one: HubProgram) -> decomposition.Certified:
        asked.append(one)
        return decomposition.solve(one, 1e-3, workers=1)

    list(sloped_plans(sleepers, 2, solve))
    for one in asked:
        assert one.static_j[:, 1::2] == pytest.approx(sleepers.program.static_j[:, 1::2])
        assert one.joules_per_batch[:, 1::2] == pytest.approx(sleepers.program.joules_per_batch[:, 1::2])
        assert (one.joules_per_batch[:, ::2] > sleepers.program.joules_per_batch[:, ::2]).all()
