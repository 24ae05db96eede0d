"""Where the decomposition starts: inside all bounds, so that its first step may go anywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from coordinator.market.instances import random_fleet
from coordinator.market.wide import hub, hub_lp
from coordinator.market.wide.block import Block, open_hubs, scaled
from coordinator.market.wide.state import State
from tests.coordinator.market.wide.drawn import drawn_program


@pytest.mark.parametrize("deadline", [0, 1, 2])
@pytest.mark.parametrize("seed", range(8))
def test_the_start_is_inside_all_bounds(seed: int, deadline: int) -> None:
    """Free variables and all prices of bounds are positive, and three tenths of a bound are used at most, nine tenths
    of that of what waits; fixed variables are zero and stay so."""
    program = hub.from_fleet(random_fleet(seed, deadline_slots=deadline))
    small = scaled(program, hub_lp.units_of(program))
    block = Block(small, open_hubs(small))
    state = State(block, np.full(2 * program.slots, 0.5))
    free, bounded = ~block.fixed, block.bounded
    assert (state.x[free] > 0).all()
    assert (state.z[free] > 0).all()
    most = np.full(bounded, 0.3)
    if deadline:
        most[block.at["waiting"]] = 0.9
    assert (state.x[:bounded] <= most[:, None] * block.upper).all()
    assert (state.w[free[:bounded]] > 0).all()
    assert not state.x[block.fixed].any()
    assert (state.z[block.fixed] == 1.0).all()
    assert not state.w[block.fixed[:bounded]].any()
    np.testing.assert_array_equal(state.s, block.upper - state.x[:bounded])


def waiting_by_hand(p: hub.HubProgram, block: Block, x: dict[str, np.ndarray]) -> None:
    """No class is closed: two flows, of what may leave and of what must stay, each class due in slot k."""
    q = p.deadline_slots
    for flow, n in np.ndindex(2, 3):
        left = 0.0
        leave = np.minimum(p.offload_cap_batches[:, n], p.class_batches[:, n])
        batches = p.class_batches[:, n] - leave if flow else leave
        for t in range(4):
            have = left + sum(batches[k] for k in range(4 + q) if max(k - q, 0) == t)
            most = sum(batches[k] for k in range(4 + q) if max(k - q, 0) <= t < k)
            undone = min(0.02 * batches[t], 0.1 / p.unserved_g[t, n]) if batches[t] > 0 else 0.0
            left = min(max(0.1 * have, 0.02 * most), 0.9 * most)
            done = max(have - left - undone, 0.05 * have)
            x["waiting"][flow, t, n], x["unserved"][flow, t, n] = left, undone
            x["own"][flow, t, n] = done if flow else 0.7 * done
            if not flow:
                x["offload"][0, t, n] = 0.3 * done


@pytest.mark.parametrize("deadline", [0, 1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_the_start_by_hand(seed: int, deadline: int) -> None:
    """Every variable and price, element by element: limits of about every second node are small or wide."""
    rng = np.random.default_rng(seed)
    p = drawn_program(rng, carries_cap=False, deadline_slots=deadline)
    wide = rng.choice([0.02, 1.0, 30.0], (4, 3))
    p = replace(
        p,
        guest_cap_batches=p.guest_cap_batches * wide,
        export_cap_j=p.export_cap_j * wide[::-1],
        harvest_j=p.harvest_j * rng.choice([0.0, 1.0, 6.0], (4, 3)),
        closed=np.zeros_like(p.closed),
        offloadable=np.ones(4, dtype=bool),
        network_g=rng.uniform(0.1, 1.0, (4, 3)),
        grams_per_j=rng.uniform(0.2, 2.0, (4, 3)),
        unserved_g=np.tile(rng.choice([0.5, 90.0], 3), (4 + deadline, 1)),
        seconds_per_batch=0.3 * p.seconds_per_batch,
    )
    block = Block(p, open_hubs(p))
    prices = rng.uniform(0.1, 2.0, 8)
    state = State(block, prices)
    x = {name: np.zeros(block.view(block.free, name).shape) for name in block.at}
    y = {name: np.zeros(block.row(block.right, name).shape) for name in block.row_at}
    limits = np.vstack([block.upper, block.cost[block.bounded :]])
    for name in ("charge", "discharge", "stored", "export", "guest", "missing"):
        x[name] = 0.3 * block.view(limits, name)
    if deadline:
        waiting_by_hand(p, block, x)
    else:
        x["own"][0] = 0.75 * p.class_batches
        x["offload"][0] = 0.3 * block.view(limits, "offload")[0]
        x["unserved"][0] = np.minimum(0.02 * p.class_batches, 0.1 / p.unserved_g)
    for t in range(4):
        sent = x["offload"][:, t].sum(axis=0)
        own = x["own"][:, t].sum(axis=0)
        for n in range(3):
            x["guest"][t, n] = min(x["guest"][t, n], max(2.0 * sent.mean(), 0.02))
            guest = x["guest"][t, n]
            load = p.static_j[t, n] + p.joules_per_batch[t, n] * (own[n] + guest)
            load += p.guest_j[t, n] * guest + p.owner_j[t, n] * sent[n]
            x["import_"][t, n] = max(x["export"][t].mean(), 0.02)
            bus = p.harvest_j[t, n] + x["discharge"][t, n] + p.import_efficiency[n] * x["import_"][t, n]
            bus -= x["charge"][t, n] + x["export"][t, n]
            x["green"][t, n] = min(max(0.7 * bus, 0.05 * load), 0.7 * load)
            x["grid"][t, n] = load - x["green"][t, n]
            x["curtailed"][t, n] = max(bus - x["green"][t, n], 0.02)
            x["idle"][t, n] = max(1.0 - p.seconds_per_batch[t, n] * (own[n] + guest), 0.02)
            y["demand"][t, n] = 0.6 * p.grams_per_j[t, n]
            y["bus"][t, n] = min(0.8 * p.grams_per_j[t, n], prices[t])
            y["store"][t, n] = -0.7 * p.grams_per_j[:, n].mean()
            y["time"][t, n] = -0.05
            for flow in range(block.flows):
                y["done"][4 * flow + t, n] = 0.6 * p.grams_per_j[t, n] * p.joules_per_batch[t, n]
    for name, values in x.items():
        wanted = values * block.view(block.free, name)
        assert block.view(state.x, name) == pytest.approx(wanted), name
    for name, values in y.items():
        assert block.row(state.y, name) == pytest.approx(values), name
    assert state.s == pytest.approx(block.upper - state.x[: block.bounded])
    reduced = block.cost - block.transposed(state.y, prices)
    for column, n in np.ndindex(block.fixed.shape):
        bounded, left = column < block.bounded, reduced[column, n]
        if block.fixed[column, n]:
            assert state.z[column, n] == 1.0
            assert not (bounded and state.w[column, n])
            continue
        middle = 0.1 / state.x[column, n]
        assert state.z[column, n] == pytest.approx(min(max(left, 0.3 * middle), 3.0 * middle))
        if bounded:
            middle = 0.1 / state.s[column, n]
            assert state.w[column, n] == pytest.approx(min(max(-left, 0.3 * middle), 3.0 * middle))
    assert state.hub_prices is prices
