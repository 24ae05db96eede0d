"""A block of nodes of the hub LP in standard form: min c'x, A x + hub = b, 0 <= x <= upper, as stacked arrays.

Variables and rows of all nodes of a block are rows of (M, n) and (R, n) arrays, nodes contiguous, so that one step of
the decomposition is a few dozen numpy calls for any n. Equations as in hub.py:
(D1) demand, (D2) bus, (D3) store, (D7) time, (D4) done and, where work may wait (q > 0), (D5) cap.
Where q = 0 the offload cap is a bound of the variable. Variables that a limit holds at zero (no battery, night, stage
that may not be offloaded ...) are ``fixed``: they stay zero and take no part, so that the rest has an interior.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from coordinator.market.fleet import Bools, Floats
from coordinator.market.wide.hub import HubProgram
from coordinator.market.wide.hub_lp import Units

S = TypeVar("S", np.float64, np.bool_)


@dataclass(frozen=True, slots=True)
class Hubs:
    """Which slots' hubs are open: some node may give and some node may take."""

    energy: Bools
    work: Bools


def open_hubs(program: HubProgram) -> Hubs:
    """A hub that no node may give to, or that none may take from, stays empty; its price has no meaning."""
    leave = np.array(
        [
            program.offload_cap_batches[t : t + program.deadline_slots + 1][~program.closed[:, t]].max(
                initial=0.0
            )
            > 0
            for t in range(program.slots)
        ]
    )
    return Hubs(
        energy=(program.export_cap_j * program.export_efficiency).max(axis=1) > 0,
        work=program.offloadable & leave & (program.guest_cap_batches.max(axis=1) > 0),
    )


def scaled(program: HubProgram, unit: Units) -> HubProgram:
    """The program in the units of ``unit``, with slots of length 1."""
    energy, work = unit.joules, unit.batches
    divisor = {
        "joules": energy / work,
        "grams_per_j": unit.grams_per_j,
        "stored_value_g_per_j": unit.grams_per_j,
        "step_g_per_j": unit.grams_per_j,
        "step_j": energy,
        "unserved_g": unit.grams / work,
        "network_g": unit.grams / work,
        "joules_per_batch": energy / work,
        "owner_j": energy / work,
        "guest_j": energy / work,
        "seconds_per_batch": program.slot_s / work,
        "class_batches": work,
        "offload_cap_batches": work,
        "guest_cap_batches": work,
    }
    for name in ("harvest_j", "static_j", "export_cap_j", "battery_j", "battery_capacity_j"):
        divisor[name] = energy
    divisor["charge_cap_j"] = divisor["discharge_cap_j"] = energy
    values: dict[str, Any] = {spec.name: getattr(program, spec.name) for spec in fields(program)}
    for name in values.keys() & divisor.keys():
        values[name] = values[name] / divisor[name]
    return HubProgram(**(values | {"slot_s": 1.0}))


class Block:
    """Data and linear maps of some nodes, in scaled units."""

    def __init__(self, program: HubProgram, hubs: Hubs) -> None:
        p = self.program = program
        t, n, k, self.window = p.slots, p.nodes, p.classes, p.deadline_slots + 1
        self.slots, self.nodes, self.classes = t, n, k
        self.waits = self.window > 1
        self.guest_load = p.joules_per_batch + p.guest_j
        steps = len(p.step_j)
        sizes = {"charge": t, "discharge": t, "stored": t, "export": t, "guest": t, "missing": steps}
        late = {"own": self.window * t, "unserved": k}
        away = {"offload": self.window * t}
        rest = {"grid": t, "green": t, "curtailed": t, "import_": t, "idle": t}
        if self.waits:
            sizes |= rest | late | away | {"unused": k}
            self.bounded = 5 * t + steps
        else:
            sizes |= away | rest | late
            self.bounded = 6 * t + steps
        self.at: dict[str, slice] = {}
        start = 0
        for name, size in sizes.items():
            self.at[name] = slice(start, start + size)
            start += size
        self.columns = start
        rows = {"demand": t, "bus": t, "store": t, "time": t, "done": k} | ({"cap": k} if self.waits else {})
        self.row_at: dict[str, slice] = {}
        start = 0
        for name, size in rows.items():
            self.row_at[name] = slice(start, start + size)
            start += size
        self.rows = start
        self._fill(hubs)

    def view(self, stack: NDArray[S], name: str) -> NDArray[S]:
        """The part of a stacked (M, n) array that belongs to a variable: (T, n), (K, n) or (q+1, T, n)."""
        part = stack[self.at[name]]
        return part.reshape(self.window, self.slots, -1) if name in ("own", "offload") else part

    def row(self, stack: Floats, name: str) -> Floats:
        """The part of a stacked (R, n) array that belongs to an equation."""
        return stack[self.row_at[name]]

    def _fill(self, hubs: Hubs) -> None:
        p, t, n = self.program, self.slots, self.nodes
        self.upper = np.zeros((self.bounded, n))
        self.cost = np.zeros((self.columns, n))
        self.right = np.zeros((self.rows, n))
        allowed = np.ones((self.columns, n), dtype=bool)
        may = lambda name: self.view(allowed, name)  # noqa: E731
        upper = lambda name: self.view(self.upper, name)  # noqa: E731
        upper("charge")[:] = p.charge_cap_j
        upper("discharge")[:] = p.discharge_cap_j
        upper("stored")[:] = p.battery_capacity_j
        upper("export")[:] = p.export_cap_j
        upper("guest")[:] = p.guest_cap_batches
        upper("missing")[:] = p.step_j
        may("export")[~hubs.energy] = False
        may("import_")[~hubs.energy] = False
        may("import_")[:, p.import_efficiency <= 0] = False
        may("export")[:, p.export_efficiency <= 0] = False
        may("guest")[~hubs.work] = False
        may("guest")[:] &= p.may_run
        for left in range(self.window):
            due = slice(left, left + t)
            now = ~p.closed[left][:, None]
            may("own")[left] = (p.class_batches[due] > 0) & now & p.may_run
            may("offload")[left] = (p.offload_cap_batches[due] > 0) & hubs.work[:, None] & now
        may("unserved")[:] = p.class_batches > 0
        if self.waits:
            may("unused")[:] = p.offload_cap_batches > 0
            self.row(self.right, "cap")[:] = p.offload_cap_batches
        else:
            upper("offload")[0] = p.offload_cap_batches
        filled = self._reachable(allowed)
        steps = p.step_j * filled
        self.constant = float(np.vdot(p.step_g_per_j, p.step_j - steps))
        """Worth of the steps that no energy reaches."""
        if len(steps):  # the last charge is what its steps do not lack
            may("missing")[:] &= filled
            may("stored")[-1] = False
        allowed[: self.bounded] &= self.upper > 0
        self.fixed = ~allowed
        self.free = allowed.astype(np.float64)
        self.upper[~allowed[: self.bounded]] = 1.0

        self.view(self.cost, "grid")[:] = p.grams_per_j
        self.view(self.cost, "stored")[-1] = -p.stored_value_g_per_j
        self.view(self.cost, "missing")[:] = p.step_g_per_j
        self.view(self.cost, "guest")[:] = p.network_g
        self.view(self.cost, "offload")[:] = p.network_g
        self.view(self.cost, "unserved")[:] = p.unserved_g
        self.row(self.right, "demand")[:] = p.static_j
        self.row(self.right, "bus")[:] = -p.harvest_j
        self.row(self.right, "store")[0] = p.keep_fraction * p.battery_j
        self.row(self.right, "store")[-1] -= steps.sum(axis=0)
        self.row(self.right, "time")[:] = 1.0
        self.row(self.right, "done")[:] = p.class_batches

    def _reachable(self, allowed: Bools) -> Bools:
        """Fix what no energy can reach: an empty battery before sunrise, the bus of a dark node. (n,) whether the last
        slot's charge is reached."""
        p = self.program
        stored = p.battery_j > 0
        for slot in range(self.slots):
            into = (p.harvest_j[slot] > 0) | self.view(allowed, "import_")[slot]
            stored = stored & (p.keep_fraction > 0)
            charge = into & (p.charge_cap_j > 0) & (p.battery_capacity_j > 0)
            reach = stored | charge
            bus = into | (reach & (p.discharge_cap_j[slot] > 0))
            self.view(allowed, "charge")[slot] &= charge
            self.view(allowed, "discharge")[slot] &= reach
            self.view(allowed, "stored")[slot] &= reach
            self.view(allowed, "green")[slot] &= bus
            self.view(allowed, "curtailed")[slot] &= bus
            stored = reach
        return stored

    def times(self, x: Floats) -> tuple[Floats, Floats]:
        """A x: (R, n) for the nodes' own rows, and (2 T, n) what each puts into the hubs (energy, work)."""
        p, v = self.program, self.view
        own, away, guest = v(x, "own"), v(x, "offload"), v(x, "guest")
        home, sent = (own[0], away[0]) if not self.waits else (own.sum(axis=0), away.sum(axis=0))
        charge, discharge, stored = v(x, "charge"), v(x, "discharge"), v(x, "stored")
        export, import_, green = v(x, "export"), v(x, "import_"), v(x, "green")
        out = np.empty((self.rows, x.shape[1]))
        part = self.row(out, "demand")
        np.add(v(x, "grid"), green, out=part)
        part -= p.joules_per_batch * home
        part -= self.guest_load * guest
        part -= p.owner_j * sent
        part = self.row(out, "bus")
        np.multiply(p.import_efficiency, import_, out=part)
        part += discharge
        part -= green
        part -= charge
        part -= export
        part -= v(x, "curtailed")
        part = self.row(out, "store")
        part[:] = stored
        part[1:] -= p.keep_fraction * stored[:-1]
        part -= p.charge_efficiency * charge
        part += discharge / p.discharge_efficiency
        part[-1] -= v(x, "missing").sum(axis=0)
        part = self.row(out, "time")
        np.multiply(p.seconds_per_batch, home + guest, out=part)
        part += v(x, "idle")
        part = self.row(out, "done")
        part[:] = v(x, "unserved")
        for left in range(self.window):
            part[left : left + self.slots] += own[left] + away[left]
        if self.waits:
            part = self.row(out, "cap")
            part[:] = v(x, "unused")
            for left in range(self.window):
                part[left : left + self.slots] += away[left]
        return out, np.concatenate([p.export_efficiency * export - import_, sent - guest])

    def transposed(self, y: Floats, hub: Floats) -> Floats:
        """A' y: (M, n) of row prices ``y`` (R, n) and hub prices ``hub``: (2 T,), or (2 T, n) one each."""
        p = self.program
        hub = hub.reshape(2 * self.slots, -1)
        demand, bus, store, time, done = (
            self.row(y, name) for name in ("demand", "bus", "store", "time", "done")
        )
        energy, work = hub[: self.slots], hub[self.slots :]
        out = np.empty((self.columns, y.shape[1]))
        v = lambda name: self.view(out, name)  # noqa: E731
        v("grid")[:] = demand
        np.subtract(demand, bus, out=v("green"))
        np.negative(bus, out=v("curtailed"))
        np.subtract(-bus, p.charge_efficiency * store, out=v("charge"))
        np.add(bus, store / p.discharge_efficiency, out=v("discharge"))
        v("stored")[:] = store
        v("stored")[:-1] -= p.keep_fraction * store[1:]
        np.negative(store[-1:], out=v("missing"))
        np.subtract(energy * p.export_efficiency, bus, out=v("export"))
        np.subtract(p.import_efficiency * bus, energy, out=v("import_"))
        busy = p.seconds_per_batch * time
        np.subtract(busy - self.guest_load * demand, work, out=v("guest"))
        v("idle")[:] = time
        home = busy - p.joules_per_batch * demand
        away = work - p.owner_j * demand
        for left in range(self.window):
            due = done[left : left + self.slots]
            np.add(home, due, out=v("own")[left])
            np.add(away, due, out=v("offload")[left])
        v("unserved")[:] = done
        if self.waits:
            cap = self.row(y, "cap")
            for left in range(self.window):
                v("offload")[left] += cap[left : left + self.slots]
            v("unused")[:] = cap
        return out

    def lower_bound(self, y: Floats, hub: Floats) -> float:
        """This block's part of a valid lower bound on the optimum at any prices: Lagrange's, with the row
        prices moved in closed form to where no unbounded variable has a negative reduced cost (weak duality:
        b'y + sum over bounded variables of upper * min(reduced cost, 0))."""
        p, slots = self.program, self.slots
        y = y.copy()
        demand, bus, time, done = (self.row(y, name) for name in ("demand", "bus", "time", "done"))
        energy = hub[:slots, None]
        takes = ~self.view(self.fixed, "import_")
        ceiling = np.full_like(bus, np.inf)
        np.divide(np.broadcast_to(energy, bus.shape), p.import_efficiency, out=ceiling, where=takes)
        np.clip(bus, 0.0, np.maximum(ceiling, 0.0), out=bus)
        np.minimum(demand, p.grams_per_j, out=demand)
        np.minimum(demand, bus, out=demand, where=~self.view(self.fixed, "green"))
        np.minimum(time, 0.0, out=time)
        np.minimum(done, p.unserved_g, out=done)
        home = p.joules_per_batch * demand - p.seconds_per_batch * time
        for left in range(self.window):
            due = done[left : left + slots]
            np.minimum(due, home, out=due, where=~self.view(self.fixed, "own")[left])
        if self.waits:
            cap = self.row(y, "cap")
            np.minimum(cap, 0.0, out=cap)
            away = p.network_g + p.owner_j * demand - hub[slots:, None]
            for left in range(self.window):
                due = cap[left : left + slots]
                most = away - done[left : left + slots]
                np.minimum(due, most, out=due, where=~self.view(self.fixed, "offload")[left])
        reduced = self.cost - self.transposed(y, hub)
        bounded = np.minimum(reduced[: self.bounded], 0.0) * self.upper * self.free[: self.bounded]
        return float(np.vdot(self.right, y) + bounded.sum()) + self.constant
