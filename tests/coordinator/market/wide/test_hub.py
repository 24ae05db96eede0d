"""The hub form: the same optimum as the pairwise form, and back to pairs without loss."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from coordinator.market.instances import random_fleet
from coordinator.market.wide import decomposition, hub


def test_a_loss_matrix_is_refused() -> None:
    with pytest.raises(hub.NotProductFormError, match="export_efficiency"):
        hub.from_fleet(random_fleet(1, 3, pairwise_losses=True))


def drawn_program(rng: np.random.Generator, *, carries_cap: bool) -> hub.HubProgram:
    """Three nodes, four slots, work that may wait one slot; figures of no particular pattern."""
    program = hub.from_fleet(random_fleet(int(rng.integers(10**6)), 3, 4, deadline_slots=1))
    size = {"class_batches": (5, 3), "offload_cap_batches": (5, 3)} | dict.fromkeys(
        (
            "export_efficiency",
            "import_efficiency",
            "keep_fraction",
            "charge_efficiency",
            "discharge_efficiency",
        ),
        (3,),
    )
    size |= dict.fromkeys(("battery_j", "battery_capacity_j", "charge_cap_j"), (3,))
    size |= dict.fromkeys(
        (
            *("harvest_j", "static_j", "joules_per_batch", "seconds_per_batch", "owner_j", "guest_j"),
            *("guest_cap_batches", "export_cap_j", "discharge_cap_j"),
        ),
        (4, 3),
    )
    values: dict[str, Any] = {name: rng.uniform(0.3, 2.0, shape) for name, shape in size.items()}
    values["closed"] = rng.random((2, 4)) < 0.4
    return replace(program, slot_s=7.0, carries_cap=carries_cap, **values)


def drawn_plan(rng: np.random.Generator) -> hub.HubPlan:
    shapes = {"own_batches": (2, 4, 3), "offload_batches": (2, 4, 3), "unserved_batches": (5, 3)}
    return hub.HubPlan(
        **{spec.name: rng.uniform(-0.2, 3.0, shapes.get(spec.name, (4, 3))) for spec in fields(hub.HubPlan)}
    )


def test_residuals_by_hand() -> None:
    """Every equation at every node and slot, one at a time."""
    rng = np.random.default_rng(6)
    for draw in range(30):
        p, x = drawn_program(rng, carries_cap=bool(draw % 2)), drawn_plan(rng)
        places = [(t, n) for t in range(4) for n in range(3)]
        classes = [(k, n) for k in range(5) for n in range(3)]
        runs = {(k, n): [(left, k - left) for left in (0, 1) if 0 <= k - left < 4] for k, n in classes}
        own, sent = x.own_batches[0] + x.own_batches[1], x.offload_batches[0] + x.offload_batches[1]
        load = {
            (t, n): p.static_j[t, n]
            + p.joules_per_batch[t, n] * (own[t, n] + x.guest_batches[t, n])
            + p.guest_j[t, n] * x.guest_batches[t, n]
            + p.owner_j[t, n] * sent[t, n]
            for t, n in places
        }
        energy = max(*load.values(), p.harvest_j.max())
        work = p.class_batches.max()
        given, cap = x.export_j, p.export_cap_j
        if p.carries_cap:
            given, cap = (np.array([part[: t + 1].sum(axis=0) for t in range(4)]) for part in (given, cap))

        def stored(t: int, n: int, p: hub.HubProgram = p, x: hub.HubPlan = x) -> float:
            before = p.battery_j[n] if t == 0 else x.stored_j[t - 1, n]
            gain = p.charge_efficiency[n] * x.charge_j[t, n] - x.discharge_j[t, n] / p.discharge_efficiency[n]
            return float(p.keep_fraction[n] * before + gain)

        def bus(t: int, n: int, p: hub.HubProgram = p, x: hub.HubPlan = x) -> float:
            into = p.harvest_j[t, n] + x.discharge_j[t, n] + p.import_efficiency[n] * x.import_j[t, n]
            out = x.green_j[t, n] + x.charge_j[t, n] + x.export_j[t, n] + x.curtailed_j[t, n]
            return abs(float(into - out))

        done = {
            (k, n): sum(x.own_batches[left, t, n] + x.offload_batches[left, t, n] for left, t in runs[k, n])
            for k, n in classes
        }
        left_home = {(k, n): sum(x.offload_batches[left, t, n] for left, t in runs[k, n]) for k, n in classes}
        hub_j = [
            sum(p.export_efficiency[n] * x.export_j[t, n] - x.import_j[t, n] for n in range(3))
            for t in range(4)
        ]
        hub_batches = [sum(sent[t, n] - x.guest_batches[t, n] for n in range(3)) for t in range(4)]
        late = [x.own_batches[:, t] + x.offload_batches[:, t] for t in range(4)]
        expected = {
            "D1 demand": max(abs(x.grid_j[c] + x.green_j[c] - load[c]) for c in places) / energy,
            "D2 bus": max(bus(*c) for c in places) / energy,
            "D2 hub": max(map(abs, hub_j)) / (p.export_efficiency.sum() * energy),
            "D3 battery": max(abs(x.stored_j[c] - stored(*c)) for c in places) / energy,
            "D3 capacity": max(0.0, *(x.stored_j[t, n] - p.battery_capacity_j[n] for t, n in places))
            / energy,
            "D3 power": max(
                0.0,
                *(x.charge_j[t, n] - p.charge_cap_j[n] for t, n in places),
                *(x.discharge_j[c] - p.discharge_cap_j[c] for c in places),
            )
            / energy,
            "D4 work": max(abs(done[c] + x.unserved_batches[c] - p.class_batches[c]) for c in classes) / work,
            "D4 stage ended": max(
                0.0, *(late[t][left, n] for left in (0, 1) for t, n in places if p.closed[left, t])
            )
            / work,
            "D4 hub": max(map(abs, hub_batches)) / (work * 3),
            "D5 offload cap": max(0.0, *(left_home[c] - p.offload_cap_batches[c] for c in classes)) / work,
            "D6 transfer cap": max(0.0, *(given[c] - cap[c] for c in places)) / energy,
            "D7 time": max(
                0.0, *(p.seconds_per_batch[c] * (own[c] + x.guest_batches[c]) - 7.0 for c in places)
            )
            / 7.0,
            "D7 storage": max(0.0, *(x.guest_batches[c] - p.guest_cap_batches[c] for c in places)) / work,
            "sign": max(0.0, *(-getattr(x, spec.name).min() for spec in fields(x))) / min(energy, work),
        }
        assert hub.residuals(p, x) == pytest.approx(expected)


def test_residuals_of_a_plan_that_keeps_everything_are_none() -> None:
    program = hub.from_fleet(random_fleet(3, 3, 4, deadline_slots=1))
    plan = decomposition.solve(program, 1e-3, workers=1).plan
    found = hub.residuals(program, plan)
    assert max(found.values()) < 1e-9
    assert min(found.values()) >= 0.0


def test_objective_and_load_of_a_plan_by_hand() -> None:
    rng = np.random.default_rng(9)
    p, x = drawn_program(rng, carries_cap=False), drawn_plan(rng)
    grams = -sum(p.stored_value_g_per_j[n] * x.stored_j[3, n] for n in range(3))
    for t in range(4):
        for n in range(3):
            own, sent, guest = (
                x.own_batches[:, t, n].sum(),
                x.offload_batches[:, t, n].sum(),
                x.guest_batches[t, n],
            )
            load = p.static_j[t, n] + p.joules_per_batch[t, n] * (own + guest)
            load += p.guest_j[t, n] * guest + p.owner_j[t, n] * sent
            assert hub.load_j(p, x)[t, n] == pytest.approx(load)
            grams += p.grams_per_j[t, n] * x.grid_j[t, n] + p.network_g[t, n] * (sent + guest)
    grams += sum(p.unserved_g[k, n] * x.unserved_batches[k, n] for k in range(5) for n in range(3))
    assert hub.objective_g(p, x) == pytest.approx(grams)
