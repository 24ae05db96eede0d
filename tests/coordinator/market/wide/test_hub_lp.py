"""The hub form as one sparse linear program for a general solver: the reference for the decomposition."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from coordinator.market.instances import reference_day
from coordinator.market.wide import hub, hub_lp
from tests.coordinator.market.wide.drawn import drawn_program

Var = tuple[str, *tuple[int, ...]]


def test_size_grows_linearly_with_the_nodes() -> None:
    small, large = (hub_lp.build(hub.from_fleet(reference_day(24, nodes=n)))[0] for n in (10, 40))
    assert large.matrix.nnz < 4.1 * small.matrix.nnz


def by_hand(p: hub.HubProgram, unit: hub_lp.Units) -> list[tuple[float, float, dict[Var, float]]]:
    """Lower end, upper end and factors of every row, with figures in J, batches and seconds put into ``unit``s."""
    joules, batches = unit.joules, unit.batches
    places = [(t, n) for t in range(p.slots) for n in range(p.nodes)]
    classes = [(k, n) for k in range(p.classes) for n in range(p.nodes)]
    rows: list[tuple[float, float, dict[Var, float]]] = []
    for t, n in places:  # (D1)
        factors: dict[Var, float] = {("grid", t, n): 1.0, ("green", t, n): 1.0}
        for left in (0, 1):
            factors["own", left, t, n] = -p.joules_per_batch[t, n] * batches / joules
            factors["offload", left, t, n] = -p.owner_j[t, n] * batches / joules
        factors["guest", t, n] = -(p.joules_per_batch[t, n] + p.guest_j[t, n]) * batches / joules
        rows.append((p.static_j[t, n] / joules, p.static_j[t, n] / joules, factors))
    for t, n in places:  # (D2)
        factors = {(name, t, n): -1.0 for name in ("green", "charge", "export", "curtailed")}
        factors |= {("discharge", t, n): 1.0, ("import_", t, n): p.import_efficiency[n]}
        rows.append((-p.harvest_j[t, n] / joules, -p.harvest_j[t, n] / joules, factors))
    for t in range(p.slots):
        factors = {("export", t, n): p.export_efficiency[n] for n in range(p.nodes)}
        rows.append((0.0, 0.0, factors | {("import_", t, n): -1.0 for n in range(p.nodes)}))
    for t, n in places:  # (D3)
        before = p.keep_fraction[n] * p.battery_j[n] / joules if t == 0 else 0.0
        factors = {
            ("stored", t, n): 1.0,
            ("charge", t, n): -p.charge_efficiency[n],
            ("discharge", t, n): 1.0 / p.discharge_efficiency[n],
        }
        if t > 0:
            factors["stored", t - 1, n] = -p.keep_fraction[n]
        rows.append((before, before, factors))
    may_run = {
        (k, n): [(left, k - left, n) for left in (0, 1) if 0 <= k - left < p.slots] for k, n in classes
    }
    for k, n in classes:  # (D4)
        work = p.class_batches[k, n] / batches
        factors = {(name, *one): 1.0 for name in ("own", "offload") for one in may_run[k, n]}
        rows.append((work, work, factors | {("unserved", k, n): 1.0}))
    for k, n in classes:  # (D5)
        cap = p.offload_cap_batches[k, n] / batches
        rows.append((0.0, cap, {("offload", *one): 1.0 for one in may_run[k, n]}))
    for t in range(p.slots):
        factors = {("offload", left, t, n): 1.0 for left in (0, 1) for n in range(p.nodes)}
        rows.append((0.0, 0.0, factors | {("guest", t, n): -1.0 for n in range(p.nodes)}))
    for t, n in places:  # (D7)
        share = p.seconds_per_batch[t, n] * batches / p.slot_s
        runs: list[Var] = [("own", 0, t, n), ("own", 1, t, n), ("guest", t, n)]
        rows.append((0.0, 1.0, dict.fromkeys(runs, share)))
    for t, n in places if p.carries_cap else []:  # (D6) over the horizon
        factors = {("export", t, n): 1.0, ("unused_cap", t, n): 1.0}
        if t > 0:
            factors["unused_cap", t - 1, n] = -1.0
        rows.append((-np.inf, p.export_cap_j[t, n] / joules, factors))
    return rows


def places_of(columns: hub_lp.HubColumns) -> dict[Var, int]:
    names = [
        *("grid", "green", "curtailed", "charge", "discharge", "stored", "export", "import_"),
        *("own", "offload", "guest", "unserved", "unused_cap"),
    ]
    return {
        (name, *index): int(place)
        for name in names
        for index, place in np.ndenumerate(getattr(columns, name))
    }


@pytest.mark.parametrize("carries_cap", [False, True])
def test_every_row_cost_and_limit_by_hand(carries_cap: bool) -> None:
    rng = np.random.default_rng(31)
    p = drawn_program(rng, carries_cap=carries_cap)
    p = replace(
        p,
        slot_s=7.0,
        offloadable=np.array([True, False, True, True]),
        unserved_g=rng.uniform(1, 2, (5, 3)),
        network_g=rng.uniform(0.1, 0.2, (4, 3)),
        stored_value_g_per_j=rng.uniform(1e-5, 1e-4, 3),
    )
    assert (p.slots, p.nodes, p.classes, p.deadline_slots) == (4, 3, 5, 1)
    lp, columns, unit = hub_lp.build(p)
    at = places_of(columns)
    size = 12 * (8 + 2 + 2 + 1 + carries_cap) + 15
    assert sorted(at.values()) == list(range(size)) == list(range(columns.size))
    rows = by_hand(p, unit)
    matrix = lp.matrix.toarray()
    assert matrix.shape == (len(rows), size)
    for index, (lower, upper, factors) in enumerate(rows):
        assert (lp.row_lower[index], lp.row_upper[index]) == pytest.approx((lower, upper)), index
        wanted = np.zeros(size)
        wanted[[at[var] for var in factors]] = list(factors.values())
        assert matrix[index] == pytest.approx(wanted), index
    assert lp.matrix.nnz == np.count_nonzero(matrix)
    assert hub_lp.hub_rows(p).tolist() == [24, 25, 26, 27]

    grams = unit.joules * unit.grams_per_j
    assert unit.grams == grams
    for var, place in at.items():
        name, *index = var
        t, n = index[-2:]
        cost, most = 0.0, np.inf
        late = name in ("own", "offload") and p.closed[index[0], t]
        if name == "grid":
            cost = p.grams_per_j[t, n] / unit.grams_per_j
        elif name in ("offload", "guest"):
            cost = p.network_g[t, n] * unit.batches / grams
        elif name == "unserved":
            cost = p.unserved_g[t, n] * unit.batches / grams
        elif name == "stored" and t == 3:
            cost = -p.stored_value_g_per_j[n] / unit.grams_per_j
        if late or (name == "offload" and t == 1):
            most = 0.0
        elif name == "charge":
            most = p.charge_cap_j[n] / unit.joules
        elif name == "discharge":
            most = p.discharge_cap_j[t, n] / unit.joules
        elif name == "stored":
            most = p.battery_capacity_j[n] / unit.joules
        elif name == "export" and not carries_cap:
            most = p.export_cap_j[t, n] / unit.joules
        elif name == "guest":
            most = p.guest_cap_batches[t, n] / unit.batches
        assert (lp.cost[place], lp.column_upper[place]) == pytest.approx((cost, most)), var


def test_units_are_means_and_never_zero() -> None:
    p = drawn_program(np.random.default_rng(2), carries_cap=False)
    batches = np.array([[0.0, 2.0, 5.0], [0.0, 0.0, 8.0], *[[0.0] * 3] * 3])
    joules, static = np.arange(12.0).reshape(4, 3), 3.0 * np.arange(12.0).reshape(4, 3)
    p = replace(p, class_batches=batches, joules_per_batch=joules, static_j=static)
    unit = hub_lp.units_of(p)
    assert unit.batches == pytest.approx(5.0), "the mean of the classes that have work"
    assert unit.joules == pytest.approx(16.5 + 5.5 * 5.0)
    assert unit.grams_per_j == pytest.approx(float(p.grams_per_j.mean()))
    nothing = replace(p, static_j=0 * static, joules_per_batch=0 * joules, class_batches=0 * batches)
    nothing = replace(nothing, grams_per_j=0 * static)
    assert hub_lp.units_of(nothing) == hub_lp.Units(1.0, 1.0, 1.0 / 3.6e6)
    few = replace(p, class_batches=batches / 40)
    assert hub_lp.units_of(few).batches == pytest.approx(5.0 / 40), "work of less than a batch counts"


def test_a_plan_is_a_point_in_joules_and_batches() -> None:
    p = drawn_program(np.random.default_rng(3), carries_cap=True)
    columns = hub_lp.HubColumns(p)
    values = np.random.default_rng(4).uniform(-1, 3, columns.size)
    plan = hub_lp.plan_of(columns, hub_lp.Units(joules=7.0, batches=11.0, grams_per_j=1.0), values)
    for spec in fields(plan):
        name, unit = spec.name.rsplit("_", 1)
        at = getattr(columns, {"import": "import_"}.get(name, name))
        wanted = np.maximum(values[at], 0.0) * {"j": 7.0, "batches": 11.0}[unit]
        assert getattr(plan, spec.name) == pytest.approx(wanted), spec.name
