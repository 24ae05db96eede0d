"""Paths through awake and asleep are the best of all there are, and their bound holds at any prices."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.market.wide import decomposition, hub
from coordinator.market.wide.decomposition import NodePrices
from coordinator.market.wide.sleep_paths import Paths, Sleepers, best_paths
from coordinator.market.wide.stages import Stages
from tests.coordinator.market.wide.sleeping import EVERYTHING, optimum, sleeping_fleet

SLOTS, STATES, NODES = 4, 3, 3


def drawn_paths(seed: int) -> tuple[Paths, np.ndarray]:
    rng = np.random.default_rng(seed)
    stages = Stages(*(rng.uniform(-2.0, 5.0, (SLOTS, NODES)) for _ in range(3)))
    missed = np.cumsum(rng.uniform(0.0, 3.0, (SLOTS, STATES, NODES)), axis=1)
    missed[:, 0] = 0.0
    asleep = rng.random(NODES) < 0.5
    cost, awake = best_paths(stages, asleep, missed)
    return Paths(0.0, awake, cost, stages, missed), asleep


@pytest.mark.parametrize("seed", range(8))
def test_the_best_path_is_the_best_of_all(seed: int) -> None:
    paths, asleep = drawn_paths(seed)
    assert paths.cost_g(paths.awake, asleep) == pytest.approx(paths.best_g)
    every = [
        paths.cost_g(np.repeat(np.array(path)[:, None], NODES, axis=1), asleep)
        for path in product([False, True], repeat=SLOTS)
    ]
    assert np.min(every, axis=0) == pytest.approx(paths.best_g)


def test_the_cost_of_a_path_by_hand() -> None:
    """Asleep before, awake in slots 1 and 3 of four: woken twice, and one slot asleep at a time."""
    paths, _ = drawn_paths(3)
    asleep, awake = np.array([True, False, True]), np.zeros((SLOTS, NODES), dtype=bool)
    awake[[1, 3]] = True
    s, missed = paths.stages, paths.missed_g
    expected = s.asleep[0] + missed[0, 1] + s.waking[1] + s.asleep[2] + missed[2, 1] + s.waking[3]
    assert paths.cost_g(awake, asleep) == pytest.approx(expected)
    long = s.asleep.sum(axis=0) + missed[0, 1] + missed[1, 2] + missed[2, 2] + missed[3, 2]
    assert paths.cost_g(np.zeros_like(awake), asleep) == pytest.approx(long)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_the_bound_holds_at_any_prices(seed: int) -> None:
    fleet = sleeping_fleet(seed, nodes=3, horizon=3)
    plan, _ = optimum(fleet)
    program = hub.from_fleet(fleet, EVERYTHING, whole_batches=True)
    sleepers = Sleepers.of(fleet, program)
    found = decomposition.solve(program, 1e-2, workers=1)
    rng = np.random.default_rng(seed)
    off = replace(
        found,
        energy_price_g_per_j=found.energy_price_g_per_j * rng.uniform(0.0, 2.0, 3),
        work_price_g_per_batch=found.work_price_g_per_batch * rng.uniform(0.0, 2.0, 3),
        nodes=NodePrices(
            *(part * rng.uniform(0.0, 2.0, part.shape) for part in (
                found.nodes.store_g_per_j, found.nodes.done_g_per_batch, found.nodes.cap_g_per_batch
            ))
        ),
    )  # fmt: skip
    scale = max(
        abs(plan.objective_g), plan.emissions_g, float((program.grams_per_j * program.static_j).sum())
    )
    for prices in (found, off):
        answer = sleepers.answer(prices)
        assert answer.bound_g <= plan.objective_g + 1e-4 * scale
        by_two = sleepers.answer(prices, block_nodes=2)
        assert by_two.bound_g == pytest.approx(answer.bound_g, rel=1e-9, abs=1e-9 * scale)
        assert np.array_equal(by_two.awake, answer.awake)


def test_work_that_stays_wakes_its_owner_once_in_each_window() -> None:
    """All of it stays, and may wait a slot: no path sleeps through both slots of a window with work in it."""
    fleet = sleeping_fleet(1, nodes=4, horizon=4)
    fleet = replace(fleet, limits=replace(fleet.limits, offload_cap_fraction=0.0))
    program = hub.from_fleet(fleet, EVERYTHING, whole_batches=True)
    answer = Sleepers.of(fleet, program).answer(decomposition.solve(program, 1e-3, workers=1))
    for k, node in np.argwhere(program.class_batches > 0):
        first, last = max(0, k - 1), min(k, 3)
        assert answer.awake[first : last + 1, node].any()


def test_a_node_that_cannot_sleep_has_one_path() -> None:
    """Awake without work, woken if it slept before; the others answer as if it could sleep."""
    fleet = sleeping_fleet(1, nodes=4, horizon=4)
    none = np.zeros((4, 2), dtype=np.int64)
    fleet = replace(fleet, backlog_batches=none, release_batches=np.zeros((4, 3), dtype=np.int64))
    fleet = replace(fleet, asleep=np.array([False, True, False, True]))
    mixed = replace(fleet, can_sleep=np.array([True, True, False, False]))
    found = decomposition.solve(hub.from_fleet(fleet, EVERYTHING, whole_batches=True), 1e-3, workers=1)
    all_, some = (
        Sleepers.of(one, hub.from_fleet(one, EVERYTHING, whole_batches=True)).answer(found)
        for one in (fleet, mixed)
    )
    assert not all_.awake.any()
    assert some.awake.tolist() == [[False, False, True, True]] * 4
    assert some.best_g[:2] == pytest.approx(all_.best_g[:2])
    s = some.stages
    assert some.best_g[2] == pytest.approx(s.awake[:, 2].sum())
    assert some.best_g[3] == pytest.approx(s.waking[0, 3] + s.awake[1:, 3].sum())
    assert all_.bound_g < some.bound_g


def test_waking_up_leaves_time_for_whole_batches() -> None:
    """Of 50 s a batch of 4.6 s takes: ten whole ones awake, and ten also in the 49 s that waking up leaves."""
    fleet = replace(
        sleeping_fleet(0, nodes=2, horizon=1),
        slot_s=50.0,
        wake_s=np.array([1.0, 50.0]),
        seconds_per_batch=np.array([[4.6], [4.6]]),
    )
    data = Sleepers.of(fleet, hub.from_fleet(fleet, EVERYTHING, whole_batches=True)).data
    assert data.capacity == pytest.approx(np.full((1, 2), 10.0))
    assert data.capacity_waking.tolist() == [[10.0, 0.0]]
