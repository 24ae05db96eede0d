"""A block of nodes of the hub LP in standard form: min c'x, A x + hub = b, 0 <= x <= upper, as stacked arrays."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from coordinator.market.instances import random_fleet
from coordinator.market.wide import hub, hub_lp
from coordinator.market.wide.block import Block, open_hubs, scaled
from coordinator.market.wide.kkt import Eliminated
from coordinator.market.wide.named_rows import ENERGY, WORK, NamedRows
from tests.coordinator.market.wide.drawn import drawn_program
from tests.coordinator.market.wide.optima import optimum


def test_the_bound_holds_at_any_prices() -> None:
    """Weak duality: any prices drawn at random give a bound below the optimum."""
    rng = np.random.default_rng(5)
    program = hub.from_fleet(random_fleet(4, 5, 4, deadline_slots=1))
    units = hub_lp.units_of(program)
    small = scaled(program, units)
    block = Block(small, open_hubs(small))
    best = optimum(program)
    for _ in range(50):
        y = rng.normal(0, 2, (block.rows, 5))
        hubs = rng.uniform(0, 3, 2 * program.slots)
        assert block.lower_bound(y, hubs) * units.grams <= best + 1e-9 * abs(best)


@pytest.mark.parametrize("deadline", [0, 1])
def test_the_bound_holds_where_one_price_alone_is_wrong(deadline: int) -> None:
    """A price of any sign and size for one equation, nothing for all others: nothing that no limit bounds may be worth
    having more of. No node holds guests, so that no bounded variable outweighs the price."""
    fleet = random_fleet(4, 5, 4, deadline_slots=deadline)
    program = hub.from_fleet(replace(fleet, storage_bytes=np.zeros(5), bytes_per_batch=np.full(4, 1.0)))
    units = hub_lp.units_of(program)
    small = scaled(program, units)
    block = Block(small, open_hubs(small))
    best = optimum(program)
    for name, place in block.row_at.items():
        for price in (-1e3, -1.0, 1.0, 1e3):
            y = np.zeros((block.rows, 5))
            y[place] = price
            for energy in (0.0, 2.0):
                hubs = np.repeat([energy, 0.0], program.slots)
                bound = block.lower_bound(y, hubs) * units.grams
                assert bound <= best + 1e-9 * abs(best), f"{name} at {price}"


def stepped(deadline: int) -> tuple[Block, np.ndarray]:
    """A block with batteries whose last charge has steps of worth, and a theta of its own for every variable."""
    rng = np.random.default_rng(deadline)
    battery = np.array([50.0, 0.0, 50.0])
    fleet = random_fleet(6, 3, 4, deadline_slots=deadline)
    program = hub.from_fleet(replace(fleet, battery_capacity_j=battery, battery_j=0.5 * battery))
    worth, width = (
        np.array([[4e-4, 3e-4, 2e-4], [1e-4, 2e-4, 0.0]]),
        np.array([[20.0, 0.0, 30.0], [30.0, 0.0, 20.0]]),
    )
    small = scaled(replace(program, step_g_per_j=worth, step_j=width), hub_lp.units_of(program))
    block = Block(small, open_hubs(small))
    return block, rng.uniform(0.5, 2.0, (block.columns, 3)) * block.free


@pytest.mark.parametrize("deadline", [0, 1, 2])
def test_elimination_solves_the_whole_system(deadline: int) -> None:
    """The node-by-node elimination against the assembled matrix A theta A' of the block."""
    rng = np.random.default_rng(deadline)
    block, theta = stepped(deadline)
    factors = Eliminated(block, theta)
    right = rng.normal(size=(block.rows, 3)) * (rows_in_use(block, theta) > 0)
    partial, to_hub = factors.forward(right)
    hub_right = rng.normal(size=2 * block.slots) * (np.diag(factors.schur) > 0)
    schur = factors.schur + np.diag(np.diag(factors.schur) == 0)
    prices = np.linalg.solve(schur, hub_right + to_hub)
    y, _ = factors.backward(partial, prices)
    rows, hubs = block.times(theta * block.transposed(y, prices))
    np.testing.assert_allclose(rows, right, atol=1e-9)
    np.testing.assert_allclose(hubs.sum(axis=1), hub_right, atol=1e-9)


@pytest.mark.parametrize("deadline", [0, 1, 2])
def test_elimination_with_hubs_of_their_own(deadline: int) -> None:
    """Every node's hubs give way: dhub * give + what the node puts into its hubs = r."""
    rng = np.random.default_rng(10 + deadline)
    block, theta = stepped(deadline)
    give = rng.uniform(0.5, 2.0, (2 * block.slots, 3))
    factors = Eliminated(block, theta, give.copy())
    assert factors.schur.shape == (0, 0)
    right = rng.normal(size=(block.rows, 3)) * (rows_in_use(block, theta) > 0)
    hub_right = rng.normal(size=(2 * block.slots, 3))
    before = right.copy(), hub_right.copy()
    partial, to_hub = factors.forward(right, hub_right)
    assert to_hub.shape == (0,)
    y, prices = factors.backward(partial, None)
    rows, hubs = block.times(theta * block.transposed(y, prices))
    np.testing.assert_allclose(rows, right, atol=1e-9)
    np.testing.assert_allclose(hubs + give * prices, hub_right, atol=1e-9)
    assert (right.tolist(), hub_right.tolist()) == (before[0].tolist(), before[1].tolist())
    bare = factors.backward(factors.forward(right)[0], None)
    said = factors.backward(factors.forward(right, 0 * hub_right)[0], None)
    np.testing.assert_allclose(np.concatenate(bare), np.concatenate(said), atol=1e-12)


def test_columns_and_rows_are_a_map_and_its_transpose() -> None:
    """<A x, y> + <hub x, prices> = <x, A' y>, for prices of one hub and of one each."""
    for deadline in (0, 1, 2):
        block, _ = stepped(deadline)
        rng = np.random.default_rng(20 + deadline)
        x, y = rng.normal(size=(block.columns, 3)), rng.normal(size=(block.rows, 3))
        rows, hubs = block.times(x)
        for prices in (rng.normal(size=(2 * block.slots, 1)), rng.normal(size=(2 * block.slots, 3))):
            there = np.vdot(rows, y) + np.vdot(hubs, prices * np.ones(3))
            given = prices if prices.shape[1] == 3 else prices[:, 0]
            assert np.vdot(x, block.transposed(y, given)) == pytest.approx(float(there))


def rows_in_use(block: Block, theta: np.ndarray) -> np.ndarray:
    """(R, n) diagonal of A theta A', by unit vectors."""
    out = np.zeros((block.rows, theta.shape[1]))
    for row in range(block.rows):
        unit = np.zeros_like(out)
        unit[row] = 1.0
        out[row] = block.times(theta * block.transposed(unit, np.zeros(2 * block.slots)))[0][row]
    return out


def test_hubs_are_open_slot_by_slot_by_hand() -> None:
    """In each of three slots no node may give, take or offload; the energy hub needs an export efficiency above 0."""
    program = hub.from_fleet(random_fleet(4, 2, 4))
    opened = replace(
        program,
        offloadable=np.array([True, True, True, False]),
        offload_cap_batches=np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0], [3.0, 3.0]]),
        guest_cap_batches=np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]),
        closed=np.zeros((1, 4), dtype=bool),
        export_cap_j=np.array([[0.0, 5.0], [5.0, 0.0], [0.0, 0.0], [5.0, 5.0]]),
        export_efficiency=np.array([0.0, 0.9]),
    )
    assert open_hubs(opened).work.tolist() == [True, False, False, False]
    assert open_hubs(opened).energy.tolist() == [True, False, False, True]
    ended = replace(opened, closed=np.array([[True, False, False, False]]))
    assert open_hubs(ended).work.tolist() == [False, False, False, False]


def test_work_that_waits_opens_the_hub_until_its_deadline() -> None:
    """A slot's hub is open to classes t..t + 1: to what is due in it, and to what may wait one more."""
    program = hub.from_fleet(random_fleet(4, 2, 3, deadline_slots=1))
    opened = replace(
        program,
        offloadable=np.ones(3, dtype=bool),
        offload_cap_batches=np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]),
        guest_cap_batches=np.ones((3, 2)),
        closed=np.zeros((2, 3), dtype=bool),
    )
    assert open_hubs(opened).work.tolist() == [False, True, True]
    late = np.array([[False, False, True], [False, False, False]])
    assert open_hubs(replace(opened, closed=late)).work.tolist() == [False, True, False]


def test_a_scaled_program_by_hand() -> None:
    p = drawn_program(np.random.default_rng(1), carries_cap=False)
    unit = hub_lp.Units(joules=3.0, batches=5.0, grams_per_j=7.0)
    small = scaled(p, unit)
    size = {
        **dict.fromkeys(
            ("harvest_j", "static_j", "export_cap_j", "battery_j", "battery_capacity_j", "step_j"), 3.0
        ),
        **dict.fromkeys(("charge_cap_j", "discharge_cap_j"), 3.0),
        **dict.fromkeys(("joules_per_batch", "owner_j", "guest_j"), 3.0 / 5.0),
        **dict.fromkeys(("grams_per_j", "stored_value_g_per_j", "step_g_per_j"), 7.0),
        **dict.fromkeys(("unserved_g", "network_g"), 3.0 * 7.0 / 5.0),
        **dict.fromkeys(("class_batches", "offload_cap_batches", "guest_cap_batches"), 5.0),
        "seconds_per_batch": p.slot_s / 5.0,
        "slot_s": p.slot_s,
    }
    for spec in fields(p):
        wanted = np.asarray(getattr(p, spec.name)) / size.get(spec.name, 1)
        assert np.asarray(getattr(small, spec.name)) == pytest.approx(wanted), spec.name


def cornered(seed: int, deadline: int, steps: bool = True) -> hub.HubProgram:
    """A drawn program in which about every fourth limit is zero."""
    rng = np.random.default_rng(seed)
    p = drawn_program(rng, carries_cap=False, deadline_slots=deadline)
    names = ["harvest_j", "class_batches", "offload_cap_batches", "guest_cap_batches", "export_cap_j"]
    names += ["discharge_cap_j", "charge_cap_j", "battery_j", "battery_capacity_j", "import_efficiency"]
    names += ["export_efficiency", "keep_fraction"]
    zeros = {
        name: np.where(rng.random(getattr(p, name).shape) < 0.3, 0.0, getattr(p, name)) for name in names
    }
    p = replace(p, offloadable=rng.random(4) < 0.8, **zeros)
    p = replace(p, stored_value_g_per_j=rng.uniform(0.1, 1.0, 3), network_g=rng.uniform(0.1, 1.0, (4, 3)))
    if deadline:  # work that waits runs in slots in a row
        ends = rng.integers(0, 6, 4 + deadline)
        k = np.arange(4) + np.arange(deadline + 1)[:, None]
        p = replace(p, closed=(np.arange(4) > ends[k]) | (rng.random() < 0.3) & (np.arange(4) == 0))
    return p if steps else replace(p, step_j=np.zeros((0, 3)), step_g_per_j=np.zeros((0, 3)))


def reached(p: hub.HubProgram, imports: np.ndarray, n: int) -> dict[str, list[bool]]:
    """Whether energy can get into node ``n``'s store, out of it, stay in it and be on its bus, slot after slot."""
    out: dict[str, list[bool]] = {
        name: [] for name in ("charge", "discharge", "stored", "green", "curtailed")
    }
    holds = bool(p.battery_j[n] > 0)
    for t in range(4):
        arrives = bool(p.harvest_j[t, n] > 0 or imports[t, n])
        charges = arrives and bool(p.charge_cap_j[n] > 0 and p.battery_capacity_j[n] > 0)
        holds = (holds and bool(p.keep_fraction[n] > 0)) or charges
        on_bus = arrives or (holds and bool(p.discharge_cap_j[t, n] > 0))
        for name, value in {"charge": charges, "discharge": holds, "stored": holds}.items():
            out[name].append(value)
        for name in ("green", "curtailed"):
            out[name].append(on_bus)
    return out


def slots_of(p: hub.HubProgram, k: int) -> list[int]:
    """In which a class may run."""
    return [t for t in range(4) if 0 <= k - t <= p.deadline_slots and not p.closed[k - t, t]]


def never_g(p: hub.HubProgram) -> float:
    """Cost of the classes that wait and may run in no slot."""
    none = [k for k in range(p.classes) if p.deadline_slots and not slots_of(p, k)]
    return sum(float(p.unserved_g[k] @ p.class_batches[k]) for k in none)


def work_by_hand(p: hub.HubProgram, block: Block) -> dict[tuple, Any]:
    """What each variable of a flow may, costs, and has as its limit, and what arrives, class by class."""
    out: dict[tuple, Any] = {}
    for f, flow in block.waiting:
        for t, n in np.ndindex(4, 3):
            runs = due = waits = arrives = 0.0
            due_g = left_g = 0.0
            for one in flow.classes:
                k, slots = one.number, slots_of(p, one.number)
                leave = min(p.offload_cap_batches[k, n], p.class_batches[k, n])
                batches = leave if flow.leaves else p.class_batches[k, n] - leave
                arrives += batches * (t == slots[0])
                runs += batches * (t in slots)
                beyond = k > 3 == slots[-1]
                waits += batches * (slots[0] <= t < slots[-1] + beyond)
                if t == slots[-1]:
                    due += batches * (not beyond)
                    due_g, left_g = (due_g, p.unserved_g[k, n]) if beyond else (p.unserved_g[k, n], left_g)
            out["arrived", f, t, n] = arrives
            out["own", f, t, n] = (runs > 0 and p.may_run[t, n], 0.0, np.inf)
            out["offload", f, t, n] = (runs > 0, p.network_g[t, n], np.inf)
            out["unserved", f, t, n] = (due > 0, due_g, np.inf)
            out["waiting", f, t, n] = (waits > 0, left_g, waits)
    return out


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("deadline", [0, 1, 2])
def test_limits_costs_and_right_sides_of_a_block_by_hand(deadline: int, steps: bool) -> None:
    for seed in range(12):
        p = cornered(seed, deadline, steps)
        hubs = open_hubs(p)
        block = Block(p, hubs)
        assert sorted(i for part in block.at.values() for i in range(part.start, part.stop)) == list(
            range(block.columns)
        )
        bounded = ["charge", "discharge", "stored", "export", "guest", "missing"]
        bounded += ["waiting"] if deadline else ["offload"]
        assert {
            name for name, part in block.at.items() if part.start < block.bounded and part.stop > part.start
        } == {name for name in bounded if name != "missing" or steps}
        assert block.fixed.tolist() == (block.free == 0.0).tolist()
        assert set(block.free.ravel()) <= {0.0, 1.0}
        imports = np.array(
            [[hubs.energy[t] and p.import_efficiency[n] > 0 for n in range(3)] for t in range(4)]
        )
        reach = [reached(p, imports, n) for n in range(3)]
        last = [reach[n]["stored"][3] for n in range(3)]
        constant = sum(
            p.step_g_per_j[s, n] * p.step_j[s, n]
            for s in range(len(p.step_j))
            for n in range(3)
            if not last[n]
        )
        assert block.constant == pytest.approx(constant + never_g(p))
        work = work_by_hand(p, block) if deadline else {}
        for name in block.at:
            free, cost = block.view(block.free, name), block.view(block.cost, name)
            limits = np.vstack([block.upper, np.full((block.columns - block.bounded, 3), np.inf)])
            upper = block.view(limits, name)
            for index in np.ndindex(free.shape):
                *_, t, n = index
                k = t + index[0] if len(index) == 3 else t
                late = not deadline and len(index) == 3 and bool(p.closed[index[0], t])
                may, grams, most = True, 0.0, np.inf
                if name in reach[n]:
                    may = reach[n][name][t]
                match name:
                    case "charge":
                        most = p.charge_cap_j[n]
                    case "discharge":
                        most = p.discharge_cap_j[t, n]
                    case "stored":
                        most = p.battery_capacity_j[n]
                        grams = -p.stored_value_g_per_j[n] if t == 3 else 0.0
                        may = may and not (steps and t == 3)
                    case "export":
                        most, may = p.export_cap_j[t, n], hubs.energy[t] and p.export_efficiency[n] > 0
                    case "import_":
                        may = imports[t, n]
                    case "guest":
                        most, may, grams = p.guest_cap_batches[t, n], hubs.work[t], p.network_g[t, n]
                    case "offload" | "own" | "unserved" | "waiting" if deadline:
                        may, grams, most = work[name, *index]
                        may = bool(may and (hubs.work[t] or name != "offload"))
                    case "offload":
                        may = hubs.work[t] and not late and p.offload_cap_batches[k, n] > 0
                        grams, most = p.network_g[t, n], p.offload_cap_batches[k, n]
                    case "own":
                        may = not late and p.class_batches[k, n] > 0
                    case "unserved":
                        may, grams = p.class_batches[k, n] > 0, p.unserved_g[k, n]
                    case "missing":
                        may, grams, most = last[n], p.step_g_per_j[t, n], p.step_j[t, n]
                    case "grid":
                        grams = p.grams_per_j[t, n]
                may = bool(may and most > 0)
                assert (name, index, bool(free[index])) == (name, index, may)
                assert cost[index] == pytest.approx(grams)
                assert upper[index] == pytest.approx(most if may or most == np.inf else 1.0), (name, index)
        before = np.zeros((4, 3))
        before[0] = p.keep_fraction * p.battery_j
        before[3] -= [p.step_j[:, n].sum() if last[n] else 0.0 for n in range(3)]
        right = {"demand": p.static_j, "bus": -p.harvest_j, "store": before, "time": np.ones((4, 3))}
        arrived = (
            [[work["arrived", f, t, n] for n in range(3)] for f in range(block.flows) for t in range(4)]
            if deadline
            else []
        )
        right |= {"done": np.array(arrived).reshape(-1, 3) if deadline else p.class_batches}
        assert list(block.row_at) == list(right)
        assert np.vstack([block.row(block.right, name) for name in right]) == pytest.approx(block.right)
        for name, wanted in right.items():
            assert block.row(block.right, name) == pytest.approx(wanted), name


def bound_by_hand(block: Block, y: np.ndarray, hub_prices: np.ndarray, n: int) -> float:
    """Node ``n``'s part: prices moved to where nothing unbounded pays, limits times what pays beyond them."""
    p = block.program
    row = {name: block.row(y, name)[:, n].copy() for name in block.row_at}
    free = {name: block.view(block.free, name)[..., n] for name in block.at}
    energy, work = hub_prices[:4], hub_prices[4:]
    waits = p.deadline_slots > 0
    for t in range(4):
        ceiling = max(energy[t] / p.import_efficiency[n], 0.0) if free["import_"][t] else np.inf
        row["bus"][t] = min(max(row["bus"][t], 0.0), ceiling)
        row["demand"][t] = min(row["demand"][t], p.grams_per_j[t, n])
        if free["green"][t]:
            row["demand"][t] = min(row["demand"][t], row["bus"][t])
        row["time"][t] = min(row["time"][t], 0.0)
    home = p.joules_per_batch[:, n] * row["demand"] - p.seconds_per_batch[:, n] * row["time"]
    away = p.network_g[:, n] + p.owner_j[:, n] * row["demand"] - work
    classes = 0.0
    for k in range(p.classes):
        if not waits:
            row["done"][k] = min(row["done"][k], p.unserved_g[k, n], home[k] if free["own"][0, k] else np.inf)
            continue
        slots = slots_of(p, k)
        stay = min([p.unserved_g[k, n], *(home[t] for t in slots if p.may_run[t, n])])
        leave = min([stay, *(away[t] for t in slots if block.work_open[t])])
        leaves = min(p.offload_cap_batches[k, n], p.class_batches[k, n])
        classes += leaves * leave + (p.class_batches[k, n] - leaves) * stay
        row["done"][:] = 0.0
    total = classes + sum(float(block.row(block.right, name)[:, n] @ row[name]) for name in row)
    pays = {"missing": p.step_g_per_j[:, n] + row["store"][3]}
    pays |= {"charge": row["bus"] + p.charge_efficiency[n] * row["store"]}
    pays |= {"discharge": -row["bus"] - row["store"] / p.discharge_efficiency[n]}
    pays |= {"stored": -row["store"] + p.keep_fraction[n] * np.append(row["store"][1:], 0.0)}
    pays["stored"][3] -= p.stored_value_g_per_j[n]
    pays |= {"export": row["bus"] - energy * p.export_efficiency[n]}
    busy = p.seconds_per_batch[:, n] * row["time"]
    guest = busy - (p.joules_per_batch[:, n] + p.guest_j[:, n]) * row["demand"] - work
    pays |= {"guest": p.network_g[:, n] - guest}
    if not waits:
        pays |= {"offload": p.network_g[:, n] - work + p.owner_j[:, n] * row["demand"] - row["done"]}
    for name, reduced in pays.items():
        limit = block.view(np.vstack([block.upper, block.cost[block.bounded :]]), name)
        limit = limit[0, :, n] if name == "offload" else limit[:, n]
        may = free[name][0] if name == "offload" else free[name]
        total += float(np.sum(np.minimum(reduced, 0.0) * limit * may))
    return total


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("deadline", [0, 1, 2])
def test_the_bound_of_any_prices_by_hand(deadline: int, steps: bool) -> None:
    for seed in range(15):
        p = cornered(seed, deadline, steps)
        block = Block(p, open_hubs(p))
        rng = np.random.default_rng(seed)
        y = rng.normal(0.3, 1.0, (block.rows, 3)) * rng.choice([1e-4, 1.0, 3.0])
        prices = rng.normal(0.5, 1.0, 8)
        kept = y.copy()
        wanted = sum(bound_by_hand(block, y, prices, n) for n in range(3)) + block.constant - never_g(p)
        assert block.lower_bound(y, prices) == pytest.approx(wanted)
        assert y.tolist() == kept.tolist()


def test_rows_that_never_met_are_zero_slot_by_slot() -> None:
    block, _ = stepped(0)
    rows = NamedRows(block)
    assert rows.entry(ENERGY, WORK).tolist() == np.zeros((4, 3)).tolist()
    rows.put(WORK, ENERGY, np.ones((4, 3)))
    rows.put(ENERGY, WORK, np.ones((4, 3)))
    assert (
        rows.entry(ENERGY, WORK).tolist()
        == rows.entry(WORK, ENERGY).tolist()
        == np.full((4, 3), 2.0).tolist()
    )
