"""The hub form as one sparse linear program for a general solver: the reference for the decomposition.

Scaled like the decomposition: energy in units of the mean load of a node and slot, work in mean batches, the
objective in grams of a unit of energy at the mean intensity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Floats, Ints
from coordinator.market.wide.hub import HubPlan, HubProgram

INFINITY = np.inf


@dataclass(frozen=True, slots=True)
class Units:
    """Physical size of one unit of the scaled program."""

    joules: float
    batches: float
    grams_per_j: float

    @property
    def grams(self) -> float:
        """Of one unit of the objective."""
        return self.joules * self.grams_per_j


@dataclass(frozen=True, slots=True)
class LinearProgram:
    """min cost'x, row_lower <= A x <= row_upper, 0 <= x <= column_upper."""

    cost: Floats
    matrix: sparse.csc_matrix
    row_lower: Floats
    row_upper: Floats
    column_upper: Floats


def units_of(program: HubProgram) -> Units:
    """Units in which loads, batches and intensities are near 1."""
    work = program.class_batches[program.class_batches > 0]
    batches = float(work.mean()) if work.size else 1.0
    load = program.static_j.mean() + program.joules_per_batch.mean() * batches
    grams = float(program.grams_per_j.mean())
    # Where nothing emits, only work left undone costs: its price is that at 1 g/kWh (numbers.unserved_penalty_g).
    return Units(joules=float(load) or 1.0, batches=batches, grams_per_j=grams or 1.0 / JOULES_PER_KWH)


class HubColumns:
    """Positions of each block of variables: index arrays in the block's own shape, see HubPlan."""

    def __init__(self, program: HubProgram) -> None:
        slots, nodes, window = program.slots, program.nodes, program.deadline_slots + 1
        self.size = 0
        self.grid, self.green, self.curtailed = (self._block(slots, nodes) for _ in range(3))
        self.charge, self.discharge, self.stored = (self._block(slots, nodes) for _ in range(3))
        self.export, self.import_ = (self._block(slots, nodes) for _ in range(2))
        self.own, self.offload = (self._block(window, slots, nodes) for _ in range(2))
        self.guest = self._block(slots, nodes)
        self.unserved = self._block(program.classes, nodes)
        self.unused_cap = (
            self._block(slots, nodes) if program.carries_cap else np.zeros((0, nodes), dtype=int)
        )
        """Transfer cap not used yet after each slot; only with (D6) over the horizon."""

    def _block(self, *shape: int) -> Ints:
        start, self.size = self.size, self.size + int(np.prod(shape))
        return np.arange(start, self.size).reshape(shape)


class _Rows:
    """Collects the rows of a sparse matrix block by block."""

    def __init__(self) -> None:
        self.size = 0
        self.entries: list[tuple[Ints, Ints, Floats]] = []
        self.lower: list[Floats] = []
        self.upper: list[Floats] = []

    def add(self, lower: Floats | float, upper: Floats | float, *shape: int) -> Ints:
        rows = np.arange(self.size, self.size + int(np.prod(shape))).reshape(shape)
        self.size += rows.size
        self.lower.append(np.broadcast_to(lower, shape).ravel())
        self.upper.append(np.broadcast_to(upper, shape).ravel())
        return rows

    def put(self, rows: Ints, columns: Ints, values: Floats | float) -> None:
        rows, columns, numbers = np.broadcast_arrays(rows, columns, np.asarray(values, dtype=np.float64))
        self.entries.append((rows.ravel(), columns.ravel(), numbers.ravel()))


def build(program: HubProgram) -> tuple[LinearProgram, HubColumns, Units]:
    """(D1)-(D7) of the hub form, equation by equation."""
    p, unit = program, units_of(program)
    slots, nodes, classes, window = p.slots, p.nodes, p.classes, p.deadline_slots + 1
    energy, work = unit.joules, unit.batches
    per_batch = work / energy
    col, rows = HubColumns(p), _Rows()

    demand = rows.add(p.static_j / energy, p.static_j / energy, slots, nodes)  # (D1)
    rows.put(demand, col.grid, 1.0)
    rows.put(demand, col.green, 1.0)
    rows.put(demand, col.own, -p.joules_per_batch * per_batch)
    rows.put(demand, col.guest, -(p.joules_per_batch + p.guest_j) * per_batch)
    rows.put(demand, col.offload, -p.owner_j * per_batch)

    bus = rows.add(-p.harvest_j / energy, -p.harvest_j / energy, slots, nodes)  # (D2)
    for block, sign in ((col.green, -1.0), (col.charge, -1.0), (col.export, -1.0), (col.curtailed, -1.0)):
        rows.put(bus, block, sign)
    rows.put(bus, col.discharge, 1.0)
    rows.put(bus, col.import_, p.import_efficiency)
    hub = rows.add(0.0, 0.0, slots)
    rows.put(hub[:, None], col.export, p.export_efficiency)
    rows.put(hub[:, None], col.import_, -1.0)

    before = np.zeros((slots, nodes))
    before[0] = p.keep_fraction * p.battery_j / energy
    store = rows.add(before, before, slots, nodes)  # (D3)
    rows.put(store, col.stored, 1.0)
    rows.put(store[1:], col.stored[:-1], -p.keep_fraction)
    rows.put(store, col.charge, -p.charge_efficiency)
    rows.put(store, col.discharge, 1.0 / p.discharge_efficiency)

    batches = p.class_batches / work
    done = rows.add(batches, batches, classes, nodes)  # (D4)
    cap = rows.add(0.0, p.offload_cap_batches / work, classes, nodes)  # (D5)
    rows.put(done, col.unserved, 1.0)
    for left in range(window):
        rows.put(done[left : left + slots], col.own[left], 1.0)
        rows.put(done[left : left + slots], col.offload[left], 1.0)
        rows.put(cap[left : left + slots], col.offload[left], 1.0)
    traded = rows.add(0.0, 0.0, slots)
    rows.put(traded[:, None], col.offload, 1.0)
    rows.put(traded[:, None], col.guest, -1.0)

    share = p.seconds_per_batch * work / p.slot_s
    time = rows.add(0.0, 1.0, slots, nodes)  # (D7)
    rows.put(time, col.own, share)
    rows.put(time, col.guest, share)

    if p.carries_cap:
        given = rows.add(-INFINITY, p.export_cap_j / energy, slots, nodes)  # (D6) over the horizon
        rows.put(given, col.export, 1.0)
        rows.put(given, col.unused_cap, 1.0)
        rows.put(given[1:], col.unused_cap[:-1], -1.0)

    cost = np.zeros(col.size)
    cost[col.grid] = p.grams_per_j / unit.grams_per_j
    cost[col.offload] = p.network_g * work / unit.grams
    cost[col.guest] = p.network_g * work / unit.grams
    cost[col.unserved] = p.unserved_g * work / unit.grams
    cost[col.stored[-1]] = -p.stored_value_g_per_j / unit.grams_per_j

    upper = np.full(col.size, INFINITY)
    upper[col.charge] = p.charge_cap_j / energy
    upper[col.discharge] = p.discharge_cap_j / energy
    upper[col.stored] = p.battery_capacity_j / energy
    if not p.carries_cap:
        upper[col.export] = p.export_cap_j / energy  # (D6)
    upper[col.guest] = p.guest_cap_batches / work  # (D7) storage
    upper[col.offload[:, ~p.offloadable]] = 0.0
    upper[col.own[p.closed]] = 0.0
    upper[col.own[:, ~p.may_run]] = 0.0
    upper[col.guest[~p.may_run]] = 0.0
    upper[col.offload[p.closed]] = 0.0

    row, column, value = (np.concatenate(part) for part in zip(*rows.entries, strict=True))
    matrix = sparse.csc_matrix((value, (row, column)), shape=(rows.size, col.size))
    matrix.eliminate_zeros()
    lower, most = np.concatenate(rows.lower), np.concatenate(rows.upper)
    return LinearProgram(cost, matrix, lower, most, upper), col, unit


def hub_rows(program: HubProgram) -> Ints:
    """(T,) rows of the energy hub's balance: their duals are its prices."""
    return 2 * program.slots * program.nodes + np.arange(program.slots)


def plan_of(columns: HubColumns, units: Units, values: Floats) -> HubPlan:
    """A solver's point as a plan."""
    energy, work = units.joules, units.batches
    x = np.maximum(values, 0.0)
    return HubPlan(
        grid_j=x[columns.grid] * energy,
        green_j=x[columns.green] * energy,
        charge_j=x[columns.charge] * energy,
        discharge_j=x[columns.discharge] * energy,
        stored_j=x[columns.stored] * energy,
        curtailed_j=x[columns.curtailed] * energy,
        export_j=x[columns.export] * energy,
        import_j=x[columns.import_] * energy,
        own_batches=x[columns.own] * work,
        offload_batches=x[columns.offload] * work,
        guest_batches=x[columns.guest] * work,
        unserved_batches=x[columns.unserved] * work,
    )
