"""The hub form: the same optimum as the pairwise form, and back to pairs without loss."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from coordinator.market.instances import random_fleet
from coordinator.market.layout import Restrictions
from coordinator.market.numbers import unserved_penalty_g
from coordinator.market.participation import model_energy
from coordinator.market.wide import decomposition, hub
from tests.coordinator.market.wide.drawn import drawn_plan, drawn_program
from tests.coordinator.market.wide.optima import optimum
from tests.coordinator.market.wide.sleeping import EVERYTHING, sleeping_fleet
from tests.coordinator.market.wide.sleeping import optimum as mixed_integer


def test_a_loss_matrix_is_refused() -> None:
    with pytest.raises(hub.NotProductFormError, match="export_efficiency"):
        hub.from_fleet(random_fleet(1, 3, pairwise_losses=True))


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
            "D7 asleep": max([0.0, *(own[c] + x.guest_batches[c] for c in places if not p.may_run[c])])
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


def test_where_no_node_may_export_the_hub_has_what_is_taken_from_it_against_the_load() -> None:
    rng = np.random.default_rng(7)
    p, x = drawn_program(rng, carries_cap=False), drawn_plan(rng)
    shut = replace(p, export_efficiency=np.zeros(3))
    taken = np.abs(x.import_j.sum(axis=1)).max()
    energy = max(hub.load_j(p, x).max(), p.harvest_j.max())
    assert hub.residuals(shut, x)["D2 hub"] == pytest.approx(taken / energy)
    still = replace(x, import_j=np.zeros_like(x.import_j))
    assert hub.residuals(shut, still)["D2 hub"] == 0.0


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
    for n in range(3):  # what the steps lack of being full, the worthiest filled first
        left = x.stored_j[3, n]
        for step in range(2):
            filled = min(left, p.step_j[step, n])
            left -= filled
            grams += p.step_g_per_j[step, n] * (p.step_j[step, n] - filled)
    assert hub.objective_g(p, x) == pytest.approx(grams)


@pytest.mark.parametrize("whole_batches", [False, True])
@pytest.mark.parametrize("room_said", [False, True])
@pytest.mark.parametrize(
    "may", [Restrictions(True, True, True), Restrictions(True, False, True), Restrictions(False, True, False)]
)
def test_the_program_of_a_fleet_by_hand(may: Restrictions, room_said: bool, whole_batches: bool) -> None:
    """Every field, element by element: three nodes, one without a battery, four slots, work that may wait one slot,
    a release that may not; one batch that takes no time, one slot's batch of no bytes."""
    rng = np.random.default_rng(12)
    seconds = np.where(rng.random((3, 4)) < 0.2, 0.0, rng.uniform(1, 70, (3, 4)))
    seconds[1, 0] = 50.0 / (3.0 - 5e-10)  # three batches, but for rounding
    fleet = random_fleet(
        8,
        3,
        4,
        deadline_slots=1,
        slot_s=50.0,
        backlog_batches=rng.integers(1, 9, (3, 2)),
        release_batches=rng.integers(1, 9, (3, 3)),
        release_last_slot=np.array([1, 1, 3, 4]),
        offload_room_batches=np.array([[1, 2], [0, 3], [2, 0]]) if room_said else None,
        harvest_j=rng.uniform(1, 9, (3, 4)),
        joules_per_batch=rng.uniform(1, 9, (3, 4)),
        seconds_per_batch=seconds,
        bytes_per_batch=np.array([0.5, 0.0, 5.0, 7.0]),
        storage_bytes=np.array([4.0, 0.5 * (5.0 - 5e-10), 33.0]),
        offloadable=np.array([True, True, False, True]),
        tx_j_per_byte=rng.uniform(0.1, 0.9, 3),
        rx_j_per_byte=rng.uniform(0.1, 0.9, 3),
        battery_j=np.array([3.0, 0.0, 9.0]),
        battery_capacity_j=np.array([7.0, 0.0, 8.0]),
        charge_efficiency=np.array([0.9, 0.8, 0.7]),
        discharge_efficiency=np.array([0.6, 0.5, 0.4]),
        self_discharge_fraction=np.array([0.1, 0.2, 0.3]),
        model_j=rng.uniform(1, 9, (3, 4)),
        request_j=rng.uniform(0.1, 0.2, (3, 4)),
        stored_value_g_per_j=rng.uniform(1e-5, 1e-4, 3),
    )
    fleet = replace(
        fleet,
        limits=replace(
            fleet.limits, offload_cap_fraction=0.4, transfer_cap_fraction=0.3, net_j_per_byte=2e-2
        ),
    )
    p, model = hub.from_fleet(fleet, may, whole_batches=whole_batches), model_energy(fleet, may.offloading)
    last = [0, 1, 1, 3, 4]  # of the backlog's two classes and the three releases
    assert hub.due_slots(fleet).tolist() == last
    penalty = unserved_penalty_g(fleet)
    floor = (lambda value: np.floor(value + 1e-9)) if whole_batches else (lambda value: value)
    assert (p.slots, p.nodes, p.classes) == (4, 3, 5)
    assert (p.slot_s, p.deadline_slots, p.carries_cap) == (50.0, 1, False)
    assert p.closed.tolist() == [[t > last[t + left] for t in range(4)] for left in (0, 1)]
    assert p.offloadable.tolist() == [True, True, False, True]
    for n in range(3):
        has = n != 1 and may.harvest
        work = [*fleet.backlog_batches[n], *fleet.release_batches[n]]
        room = [floor(0.4 * may.offloading * batches) for batches in work]
        if room_said and may.offloading:
            room[:2] = fleet.offload_room_batches[n]  # type: ignore[index]
        per_node = {
            "class_batches": work,
            "offload_cap_batches": room,
            "unserved_g": [penalty / 3 if due >= 4 else penalty for due in last],
            "export_efficiency": fleet.export_efficiency[n],
            "import_efficiency": fleet.import_efficiency[n],
            "battery_j": fleet.battery_j[n],
            "battery_capacity_j": (7.0, 0.0, 9.0)[n],
            "charge_efficiency": fleet.charge_efficiency[n] if has else 1.0,
            "discharge_efficiency": fleet.discharge_efficiency[n] if has else 1.0,
            "keep_fraction": 1.0 - fleet.self_discharge_fraction[n],
            "charge_cap_j": 50.0 * fleet.charge_limit_w[n] if has else 0.0,
            "discharge_cap_j": [50.0 * fleet.discharge_limit_w[n] if has else 0.0] * 4,
            "stored_value_g_per_j": fleet.stored_value_g_per_j[n],
            "step_g_per_j": [],
            "step_j": [],
        }
        for name, wanted in per_node.items():
            assert getattr(p, name)[..., n] == pytest.approx(wanted), name
        for t in range(4):
            grams, size = fleet.intensity_g_per_kwh[n, t] / 3.6e6, fleet.bytes_per_batch[t]
            tau = fleet.seconds_per_batch[n, t]
            in_time = 50.0 / tau if tau > 0 else np.inf
            storage = fleet.storage_bytes[n] / size if size > 0 else np.inf
            if whole_batches:
                in_time, storage = max(np.floor(in_time + 1e-9), 1.0), np.floor(storage + 1e-9)
                tau = max(50.0 / in_time, tau) if tau > 0 else 0.0
            leave = sum(p.offload_cap_batches[t + left].sum() for left in (0, 1) if t <= last[t + left])
            per_slot = {
                "grams_per_j": grams,
                "harvest_j": fleet.harvest_j[n, t] * may.harvest,
                "static_j": 50.0 * fleet.static_w[n] + model.fixed_j[n, t],
                "joules_per_batch": fleet.joules_per_batch[n, t] + model.share_j[n, t],
                "seconds_per_batch": tau,
                "owner_j": size * fleet.tx_j_per_byte[n] + fleet.request_j[n, t],  # type: ignore[index]
                "guest_j": size * fleet.rx_j_per_byte[n] - fleet.request_j[n, t],  # type: ignore[index]
                "network_g": grams * size * 1e-2,
                "guest_cap_batches": min(storage, in_time, leave) if fleet.offloadable[t] else 0.0,
                "export_cap_j": 0.3 * fleet.harvest_j[n, t] * (may.harvest and may.transfers),
            }
            for name, wanted in per_slot.items():
                assert getattr(p, name)[t, n] == pytest.approx(wanted), name
    assert p.may_run.all()
    named = {"slot_s", "deadline_slots", "carries_cap", "closed", "offloadable", "may_run"}
    fields_seen = {*per_node, *per_slot, *named}
    assert fields_seen == {spec.name for spec in fields(hub.HubProgram)}
    over = replace(fleet, limits=replace(fleet.limits, transfer_cap_over="horizon"))
    assert hub.from_fleet(over, may).carries_cap


@pytest.mark.parametrize("whole_batches", [False, True])
def test_the_program_of_a_schedule_by_hand(whole_batches: bool) -> None:
    """Node 0 sleeps before and wakes up in slot 1, node 1 sleeps in slot 1 and wakes up in slot 2, node 2 is awake
    throughout but takes all of a slot to wake up, and slept before."""
    fleet = random_fleet(
        8,
        3,
        3,
        slot_s=50.0,
        may_sleep=True,
        seconds_per_batch=np.array([[12.0] * 3, [0.0] * 3, [12.0] * 3]),
        wake_s=np.array([10.0, 10.0, 50.0]),
        asleep=np.array([True, False, True]),
    )
    awake = np.array([[False, True, True], [True, False, True], [True, True, True]])
    plain = hub.from_fleet(fleet, whole_batches=whole_batches)
    p = hub.from_fleet(fleet, whole_batches=whole_batches, awake=awake)
    wakes = [[False, False, True], [True, False, False], [False, True, False]]
    assert hub.woken(fleet, awake).tolist() == wakes
    for t in range(3):
        for n in range(3):
            draws = fleet.static_w[n] if awake[t, n] else fleet.sleep_w[n]
            wake_j = fleet.wake_j[n] if wakes[t][n] else 0.0
            assert p.static_j[t, n] == pytest.approx(50.0 * draws + wake_j)
            assert p.may_run[t, n] == (awake[t, n] and not (t == 0 and n == 2))
            assert p.guest_cap_batches[t, n] <= plain.guest_cap_batches[t, n] * p.may_run[t, n]
    # 40 s of waking up leave time for 3.33 batches of 12 s, 3 of them whole
    assert p.seconds_per_batch[1, 0] == pytest.approx(50.0 / (3.0 if whole_batches else 40.0 / 12.0))
    same = p.may_run & ~np.array(wakes)
    assert p.seconds_per_batch[same] == pytest.approx(plain.seconds_per_batch[same])
    assert not p.seconds_per_batch[:, 1].any()


@pytest.mark.parametrize("seed", range(6))
def test_the_best_schedule_of_the_pairwise_form_costs_the_same_here(seed: int) -> None:
    fleet = sleeping_fleet(seed, nodes=3, horizon=3)
    plan, _ = mixed_integer(fleet)
    program = hub.from_fleet(fleet, EVERYTHING, whole_batches=True, awake=plan.awake.T)
    scale = max(abs(plan.objective_g), plan.emissions_g)
    assert optimum(program) == pytest.approx(plan.objective_g, abs=2e-5 * scale + 1e-12)


def test_whole_batches_only_where_they_are_asked_for() -> None:
    """All freedoms and fractions where nothing else is said."""
    fleet = random_fleet(8, 3, 4, bytes_per_batch=np.full(4, 3.0), storage_bytes=np.array([4.0, 11.0, 34.0]))
    plain, said = (
        hub.from_fleet(fleet),
        hub.from_fleet(fleet, Restrictions(True, True, True), whole_batches=False),
    )
    for spec in fields(hub.HubProgram):
        np.testing.assert_equal(getattr(plain, spec.name), getattr(said, spec.name))


@pytest.mark.parametrize("carries_cap", [False, True])
def test_some_nodes_of_a_program_are_its_columns(carries_cap: bool) -> None:
    program = drawn_program(np.random.default_rng(5), carries_cap=carries_cap)
    picked = program.take(np.array([2, 0]))
    for spec in fields(hub.HubProgram):
        value = getattr(program, spec.name)
        if isinstance(value, np.ndarray) and spec.name not in ("offloadable", "closed"):
            value = value[..., [2, 0]]
            assert getattr(picked, spec.name).flags.c_contiguous
        np.testing.assert_array_equal(getattr(picked, spec.name), value, err_msg=spec.name)
