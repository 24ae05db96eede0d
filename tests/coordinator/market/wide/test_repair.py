"""From any point to a plan within every limit, in scalar arithmetic beside the arrays of the source."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from coordinator.market.instances import random_fleet
from coordinator.market.wide import decomposition, hub
from coordinator.market.wide import repair as module
from coordinator.market.wide.repair import repair
from tests.coordinator.market.wide.drawn import drawn_plan, drawn_program

SLOTS, NODES, CLASSES = 4, 3, 5
PLACES = [(t, n) for t in range(SLOTS) for n in range(NODES)]
RUNS = {k: [(left, k - left) for left in (0, 1) if 0 <= k - left < SLOTS] for k in range(CLASSES)}


def share(part: float, whole: float) -> float:
    """How much of ``whole`` fits into ``part``, all of it where it is nothing."""
    return min(part / whole, 1.0) if whole > 0 else 1.0


def work_by_hand(p: hub.HubProgram, x: hub.HubPlan) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    own, sent, guest = np.zeros((2, SLOTS, NODES)), np.zeros((2, SLOTS, NODES)), np.zeros((SLOTS, NODES))
    unserved = np.zeros((CLASSES, NODES))
    for t, n in PLACES:
        guest[t, n] = min(max(x.guest_batches[t, n], 0.0), p.guest_cap_batches[t, n])
        for left in (0, 1):
            if not p.closed[left, t]:
                own[left, t, n] = max(x.own_batches[left, t, n], 0.0)
                sent[left, t, n] = max(x.offload_batches[left, t, n], 0.0) if p.offloadable[t] else 0.0
    for n in range(NODES):
        for k, runs in RUNS.items():  # (D5)
            fits = share(p.offload_cap_batches[k, n], sum(sent[left, t, n] for left, t in runs))
            for left, t in runs:
                sent[left, t, n] *= fits
    for t, n in PLACES:  # what a node gives to itself stays at home
        total = sent[:, t, n].sum()
        itself = min(total, guest[t, n])
        guest[t, n] -= itself
        if total > 0:
            own[:, t, n] += sent[:, t, n] * itself / total
            sent[:, t, n] *= 1.0 - itself / total
    for n in range(NODES):
        for k, runs in RUNS.items():  # (D4): what is not sent runs at home, shared out as the point has it
            here, away = (sum(part[left, t, n] for left, t in runs) for part in (own, sent))
            stays = max(p.class_batches[k, n] - away, 0.0)
            for left, t in runs:
                if here + away > 0:
                    own[left, t, n] *= stays / here if here > 0 else 1.0
                else:
                    own[left, t, n] = 0.0 if p.closed[left, t] else stays
            if here + away == 0:
                placed = sum(own[left, t, n] for left, t in runs)
                for left, t in runs:
                    own[left, t, n] *= stays / placed if placed > 0 else 1.0
    most = np.array(
        [[p.slot_s / tau if tau > 0 else np.inf for tau in p.seconds_per_batch[t, :]] for t in range(SLOTS)]
    )
    for t in range(SLOTS):  # (D7) and the hub of work
        for n in range(NODES):
            guest[t, n] = min(guest[t, n], max(most[t, n] - own[:, t, n].sum(), 0.0))
        given, taken = sent[:, t].sum(), guest[t].sum()
        leaves = share(taken, given)
        own[:, t] += sent[:, t] * (1.0 - leaves)
        sent[:, t] *= leaves
        guest[t] *= share(sent[:, t].sum(), taken)
        for n in range(NODES):
            own[:, t, n] *= share(max(most[t, n] - guest[t, n], 0.0), own[:, t, n].sum())
    for n in range(NODES):
        for k, runs in RUNS.items():
            left_out = p.class_batches[k, n] - sum(own[one][t, n] + sent[one][t, n] for one, t in runs)
            unserved[k, n] = left_out if left_out >= 1e-12 * p.class_batches[k, n] else 0.0

    def free(t: int, n: int) -> float:
        return max(most[t, n] - own[:, t, n].sum() - guest[t, n], 0.0)

    def place() -> None:
        for n in range(NODES):
            for t in range(SLOTS):
                for left in (0, 1):
                    put = 0.0 if p.closed[left, t] else min(unserved[t + left, n], free(t, n))
                    own[left, t, n] += put
                    unserved[t + left, n] -= put

    place()  # what has no place yet runs where a slot of its window has time, earliest deadline first
    if not unserved.any():
        return own, sent, guest, unserved
    for n in range(NODES):  # then what may run a slot earlier makes room
        wanted = unserved[:, n].sum()
        for t in range(1, SLOTS):
            need = max(wanted - free(t, n), 0.0)
            put = 0.0 if p.closed[1, t - 1] else min(own[0, t, n], free(t - 1, n), need)
            own[0, t, n] -= put
            own[1, t - 1, n] += put
    place()
    for t in range(SLOTS) if unserved.any() else ():  # then it is sent to where there is room
        for left in (0, 1):
            if p.closed[left, t] or not p.offloadable[t]:
                continue
            room = [min(free(t, n), max(p.guest_cap_batches[t, n] - guest[t, n], 0.0)) for n in range(NODES)]
            put = []
            for n in range(NODES):
                gone = sum(sent[one, at, n] for one, at in RUNS[t + left])
                put.append(min(unserved[t + left, n], max(p.offload_cap_batches[t + left, n] - gone, 0.0)))
            moved = min(sum(room), sum(put))
            for n in range(NODES) if moved > 0 else ():
                sent[left, t, n] += put[n] * moved / sum(put)
                unserved[t + left, n] -= put[n] * moved / sum(put)
                guest[t, n] += room[n] * moved / sum(room)
    return own, sent, guest, unserved


def battery_by_hand(p: hub.HubProgram, n: int, want: dict[str, np.ndarray]) -> None:
    """One node, slot after slot: what the store gives, what leaves the bus, what goes into the store."""
    level = p.battery_j[n]
    for t in range(SLOTS):
        level *= p.keep_fraction[n]
        drawn = min(
            max(want["discharge"][t, n], 0.0), p.discharge_cap_j[t, n], level * p.discharge_efficiency[n]
        )
        bus = p.harvest_j[t, n] + drawn + p.import_efficiency[n] * want["import"][t, n]
        leaves = min(max(want["export"][t, n], 0.0), bus)
        level -= drawn / p.discharge_efficiency[n]
        room = max(p.battery_capacity_j[n] - level, 0.0) / p.charge_efficiency[n]
        put = min(max(want["charge"][t, n], 0.0), p.charge_cap_j[n], bus - leaves, room)
        level = min(max(level + p.charge_efficiency[n] * put, 0.0), p.battery_capacity_j[n])
        want["discharge"][t, n], want["export"][t, n], want["charge"][t, n] = drawn, leaves, put
        want["stored"][t, n] = level


def energy_by_hand(p: hub.HubProgram, x: hub.HubPlan) -> dict[str, np.ndarray]:
    out = {name: np.zeros((SLOTS, NODES)) for name in ("charge", "discharge", "export", "import", "stored")}
    for t, n in PLACES:
        into, from_ = p.charge_efficiency[n], p.discharge_efficiency[n]
        change = into * max(x.charge_j[t, n], 0.0) - max(x.discharge_j[t, n], 0.0) / from_
        out["charge"][t, n], out["discharge"][t, n] = max(change, 0.0) / into, max(-change, 0.0) * from_
        gives = min(max(x.export_j[t, n], 0.0), p.export_cap_j[t, n])
        takes, efficiency = max(x.import_j[t, n], 0.0), p.export_efficiency[n]
        circle = min(efficiency * gives, takes)
        out["export"][t, n] = gives - circle / efficiency if efficiency > 0 else gives
        out["import"][t, n] = takes - circle
    for turn in range(4):
        for n in range(NODES):
            battery_by_hand(p, n, out)
        for t in range(SLOTS) if turn < 3 else ():
            given, taken = p.export_efficiency @ out["export"][t], out["import"][t].sum()
            out["export"][t] *= share(taken, given)
            out["import"][t] *= share(given, taken)
    return out


@pytest.mark.parametrize("seed", range(60))
def test_a_repaired_plan_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, x = drawn_program(rng, carries_cap=False), drawn_plan(rng)
    some = lambda *shape: rng.random(shape) < 0.25  # noqa: E731
    work = np.where(some(5, 3), 0.0, 3.0 * p.class_batches)
    p = replace(
        p,
        slot_s=rng.uniform(2.0, 9.0),
        seconds_per_batch=np.where(some(4, 3), 0.0, p.seconds_per_batch),
        offload_cap_batches=np.where(some(5, 3), 0.0, np.minimum(p.offload_cap_batches, work)),
        class_batches=work,
        guest_cap_batches=np.where(some(4, 3), 0.0, p.guest_cap_batches),
        export_efficiency=np.where(some(3) & [True, False, True], 0.0, rng.uniform(0.7, 1.0, 3)),
        import_efficiency=rng.uniform(0.7, 1.0, 3),
        keep_fraction=rng.uniform(0.8, 1.0, 3),
        charge_efficiency=rng.uniform(0.7, 1.0, 3),
        discharge_efficiency=rng.uniform(0.7, 1.0, 3),
        battery_capacity_j=rng.uniform(1.0, 4.0, 3),
        battery_j=rng.uniform(0.0, 1.0, 3),
        offloadable=rng.random(4) < 0.8,
    )
    x = replace(
        x,
        own_batches=np.where(some(2, 4, 3), 0.0, x.own_batches),
        offload_batches=np.where(some(2, 4, 3), 0.0, x.offload_batches),
        guest_batches=np.where(some(4, 3), 0.0, x.guest_batches),
        export_j=np.where(some(4, 3), 0.0, 2 * x.export_j),
        import_j=np.where(some(4, 3), 0.0, x.import_j),
    )
    before = {spec.name: getattr(x, spec.name).copy() for spec in fields(x)}
    plan = repair(p, x)
    own, sent, guest, unserved = work_by_hand(p, x)
    flows = energy_by_hand(p, x)
    load = p.static_j + p.joules_per_batch * (own.sum(axis=0) + guest)
    load = load + p.guest_j * guest + p.owner_j * sent.sum(axis=0)
    bus = p.harvest_j + flows["discharge"] + p.import_efficiency * flows["import"]
    bus = bus - flows["charge"] - flows["export"]
    wanted = {f"{name}_j": flow for name, flow in flows.items()}
    wanted |= {"own_batches": own, "offload_batches": sent, "guest_batches": guest}
    wanted |= {"unserved_batches": unserved, "grid_j": np.maximum(load - bus, 0.0)}
    wanted |= {"green_j": np.minimum(load, bus), "curtailed_j": np.maximum(bus - load, 0.0)}
    for spec in fields(plan):
        assert getattr(plan, spec.name) == pytest.approx(wanted[spec.name], abs=1e-12), spec.name
        assert getattr(x, spec.name).tolist() == before[spec.name].tolist(), "the point is left as it is"
    kept = hub.residuals(p, plan)
    assert max(kept.values()) < 1e-9, kept


def test_a_plan_within_every_limit_stays_as_it_is() -> None:
    program = hub.from_fleet(random_fleet(3, 4, 4, deadline_slots=1))
    plan = decomposition.solve(program, 1e-3, workers=1).plan
    again = repair(program, plan)
    for spec in fields(plan):
        assert getattr(again, spec.name) == pytest.approx(getattr(plan, spec.name), abs=1e-9), spec.name


def test_dust_of_a_class_is_no_work_left_undone() -> None:
    """Less than a millionth of a millionth of a class, by rounding of its parts."""
    p = drawn_program(np.random.default_rng(0), carries_cap=False)
    x = drawn_plan(np.random.default_rng(1))
    none = np.zeros((2, 4, 3))
    p = replace(p, class_batches=np.full((5, 3), 6.0), seconds_per_batch=np.full((4, 3), 1.0), slot_s=6.0)
    p = replace(p, closed=np.array([[False] * 4, [True] * 4]))
    x = replace(x, own_batches=none, offload_batches=none, guest_batches=np.zeros((4, 3)))
    assert repair(p, x).unserved_batches[:4].tolist() == [[0.0] * 3] * 4
    for lacking in (1e-13, 1e-10):
        slot_s = 6.0 * (1 - lacking)
        left = repair(replace(p, slot_s=slot_s), x).unserved_batches
        if lacking < 1e-12:
            assert left[:4].tolist() == [[0.0] * 3] * 4
        else:
            assert left[:4] == pytest.approx(np.full((4, 3), 6e-10), rel=1e-4)


def test_the_longer_side_of_a_hub_is_brought_down_to_the_shorter() -> None:
    """Slot by slot: 3 J arrive and 6 are taken, 6 and 3, nothing and 4, 5 and nothing."""
    export = np.array([[4.0, 2.0], [8.0, 4.0], [0.0, 0.0], [10.0, 0.0]])
    import_ = np.array([[1.0, 5.0], [2.0, 1.0], [3.0, 1.0], [0.0, 0.0]])
    given, taken = module._balance(export, np.array([0.5, 0.5]), import_)
    assert given.tolist() == [[4.0, 2.0], [4.0, 2.0], [0.0, 0.0], [0.0, 0.0]]
    assert taken.tolist() == [[0.5, 2.5], [2.0, 1.0], [0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("seed", range(12))
def test_nodes_asleep_run_nothing_and_what_they_send_finds_a_place(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, x = drawn_program(rng, carries_cap=False, asleep=True), drawn_plan(rng)
    plan = repair(p, x)
    residuals = hub.residuals(p, plan)
    assert max(residuals[name] for name in ("D4 hub", "D7 asleep", "D7 time", "D7 storage")) < 1e-9
    if not p.may_run.all():
        assert not (plan.own_batches.sum(axis=0) + plan.guest_batches)[~p.may_run].any()


def test_guests_of_awake_nodes_take_what_a_node_asleep_sends() -> None:
    """Two batches sent by a node asleep, one of them planned for a guest: the other goes where there is room too."""
    fleet = random_fleet(3, 2, 1)
    p = hub.from_fleet(fleet)
    p = replace(
        p,
        may_run=np.array([[False, True]]),
        offloadable=np.ones(1, dtype=bool),
        class_batches=np.array([[2.0, 0.0]]),
        offload_cap_batches=np.array([[2.0, 0.0]]),
        guest_cap_batches=np.array([[0.0, 5.0]]),
        seconds_per_batch=np.array([[1.0, 1.0]]),
    )
    x = decomposition.solve(p, 1e-3, workers=1).plan
    short = replace(x, offload_batches=np.array([[[2.0, 0.0]]]), guest_batches=np.array([[0.0, 1.0]]))
    plan = repair(p, short)
    assert plan.guest_batches.tolist() == [[0.0, 2.0]]
    assert not plan.unserved_batches.any()
