"""A block of nodes of the hub LP in standard form: min c'x, A x + hub = b, 0 <= x <= upper, as stacked arrays.

Variables and rows of all nodes of a block are rows of (M, n) and (R, n) arrays, nodes contiguous, so that one step of
the decomposition is a few dozen numpy calls for any n. Equations as in hub.py:
(D1) demand, (D2) bus, (D3) store, (D7) time, (D4) done. Where no work may wait (q = 0) the offload cap is a bound of
the variable; where it may, work is flows through time (waiting.py). Variables that a limit holds at zero (no battery,
night, stage that may not be offloaded ...) are ``fixed``: they stay zero and take no part, so that the rest has an
interior.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from coordinator.market.fleet import Bools, Floats
from coordinator.market.wide.hub import HubProgram
from coordinator.market.wide.hub_lp import Units
from coordinator.market.wide.waiting import Flow, Waiting, flows_of, least_g, windows

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

    def __init__(self, program: HubProgram, hubs: Hubs, flows: list[Flow] | None = None) -> None:
        """``flows``: of the fleet of which the block is a part, where its work may wait; None: its own."""
        p = self.program = program
        t, n, self.waits = p.slots, p.nodes, p.deadline_slots > 0
        self.slots, self.nodes, self.window = t, n, p.deadline_slots + 1
        self.guest_load = p.joules_per_batch + p.guest_j
        self.constant = 0.0
        """Cost, g, that no variable changes."""
        steps = len(p.step_j)
        sizes = {"charge": t, "discharge": t, "stored": t, "export": t, "guest": t, "missing": steps}
        rest = {"grid": t, "green": t, "curtailed": t, "import_": t, "idle": t}
        if self.waits:
            self._windows = windows(p)
            self.waiting = Waiting.of(p, flows_of(p) if flows is None else flows)
            self.flows, self.leaving = len(self.waiting.flows), self.waiting.leaving
            work = self.flows * t
            sizes |= {"waiting": work} | rest | {"own": work, "unserved": work, "offload": self.leaving * t}
            self.bounded = 5 * t + steps + work
        else:
            self.flows = self.leaving = 1
            sizes |= {"offload": t} | rest | {"own": t, "unserved": t}
            self.bounded = 6 * t + steps
        self.at: dict[str, slice] = {}
        start = 0
        for name, size in sizes.items():
            self.at[name] = slice(start, start + size)
            start += size
        self.columns = start
        self.row_at = {
            name: slice(i * t, (i + 1) * t) for i, name in enumerate(("demand", "bus", "store", "time"))
        }
        self.row_at["done"] = slice(4 * t, (4 + self.flows) * t)
        self.rows = (4 + self.flows) * t
        self._fill(hubs)

    def view(self, stack: NDArray[S], name: str) -> NDArray[S]:
        """The part of a stacked (M, n) array that belongs to a variable: (T, n), or (F, T, n) by flow."""
        part = stack[self.at[name]]
        return self._by_flow(part) if name in _BY_FLOW else part

    def row(self, stack: Floats, name: str) -> Floats:
        """The part of a stacked (R, n) array that belongs to an equation."""
        return stack[self.row_at[name]]

    def done(self, stack: Floats) -> Floats:
        """(F, T, n) likewise, of (D4)."""
        return self._by_flow(self.row(stack, "done"))

    def _by_flow(self, part: NDArray[S]) -> NDArray[S]:
        return part.reshape(len(part) // self.slots, self.slots, part.shape[1])

    def named(self, stack: Floats, key: tuple[str, int]) -> Floats:
        """(T, n) likewise, of an equation and a flow."""
        return self.done(stack)[key[1]] if key[0] == "done" else self.row(stack, key[0])

    def _fill(self, hubs: Hubs) -> None:
        self.work_open = hubs.work[:, None]
        p, n = self.program, self.nodes
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
        if self.waits:
            self._fill_waiting(hubs, allowed)
        else:
            now = ~p.closed[0][:, None]
            may("own")[0] = (p.class_batches > 0) & now & p.may_run
            may("offload")[0] = (p.offload_cap_batches > 0) & hubs.work[:, None] & now
            may("unserved")[0] = p.class_batches > 0
            upper("offload")[0] = p.offload_cap_batches
            self.view(self.cost, "unserved")[0] = p.unserved_g
            self.done(self.right)[0] = p.class_batches
        filled = self._reachable(allowed)
        steps = p.step_j * filled
        self.constant += float(np.vdot(p.step_g_per_j, p.step_j - steps))  # of steps that no energy reaches
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
        self.row(self.right, "demand")[:] = p.static_j
        self.row(self.right, "bus")[:] = -p.harvest_j
        self.row(self.right, "store")[0] = p.keep_fraction * p.battery_j
        self.row(self.right, "store")[-1] -= steps.sum(axis=0)
        self.row(self.right, "time")[:] = 1.0

    def _fill_waiting(self, hubs: Hubs, allowed: Bools) -> None:
        p, waiting = self.program, self.waiting
        self.view(self.upper, "waiting")[:] = waiting.most_waiting
        self.view(allowed, "own")[:] = (waiting.open > 0) & p.may_run
        self.view(allowed, "offload")[:] = (waiting.open[: self.leaving] > 0) & hubs.work[:, None]
        self.view(allowed, "unserved")[:] = waiting.due > 0
        self.view(self.cost, "unserved")[:] = waiting.unserved_g
        self.view(self.cost, "waiting")[:, -1] = waiting.left_g
        self.done(self.right)[:] = waiting.arrived
        self.constant += waiting.never_g

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
        home, sent = (own.sum(axis=0), away.sum(axis=0)) if self.waits else (own[0], away[0])
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
        part = self.done(out)
        np.add(v(x, "unserved"), own, out=part)
        part[: self.leaving] += away
        if self.waits:
            waiting = v(x, "waiting")
            part += waiting
            part[:, 1:] -= waiting[:, :-1]
        return out, np.concatenate([p.export_efficiency * export - import_, sent - guest])

    def transposed(self, y: Floats, hub: Floats) -> Floats:
        """A' y: (M, n) of row prices ``y`` (R, n) and hub prices ``hub``: (2 T,), or (2 T, n) one each."""
        p = self.program
        hub = hub.reshape(2 * self.slots, -1)
        demand, bus, store, time = (self.row(y, name) for name in ("demand", "bus", "store", "time"))
        done = self.done(y)
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
        np.add(home, done, out=v("own"))
        np.add(away, done[: self.leaving], out=v("offload"))
        v("unserved")[:] = done
        if self.waits:
            v("waiting")[:] = done
            v("waiting")[:, :-1] -= done[:, 1:]
        return out

    def lower_bound(self, y: Floats, hub: Floats) -> float:
        """This block's part of a valid lower bound on the optimum at any prices: Lagrange's, with the row
        prices moved in closed form to where no unbounded variable has a negative reduced cost (weak duality:
        b'y + sum over bounded variables of upper * min(reduced cost, 0)). Where work may wait, every class pays the
        least cost of its window; the prices of its flow do not enter."""
        y = self._moved(y, hub)
        if self.waits:
            self.done(y)[:] = 0.0
        reduced = self.cost - self.transposed(y, hub)
        bounded = np.minimum(reduced[: self.bounded], 0.0) * self.upper * self.free[: self.bounded]
        if not self.waits:
            return float(np.vdot(self.right, y) + bounded.sum()) + self.constant
        p = self.program
        bounded[self.at["waiting"]] = 0.0
        stay, leave = self.least_g(y, hub)
        leaves = np.minimum(p.offload_cap_batches, p.class_batches)
        work = np.vdot(leaves, leave) + np.vdot(p.class_batches - leaves, stay)
        return float(np.vdot(self.right, y) + bounded.sum() + work) + self.constant - self.waiting.never_g

    def _moved(self, y: Floats, hub: Floats) -> Floats:
        """The row prices at which no unbounded variable pays."""
        p, slots = self.program, self.slots
        y = y.copy()
        demand, bus, time = (self.row(y, name) for name in ("demand", "bus", "time"))
        energy = hub[:slots, None]
        takes = ~self.view(self.fixed, "import_")
        ceiling = np.full_like(bus, np.inf)
        np.divide(np.broadcast_to(energy, bus.shape), p.import_efficiency, out=ceiling, where=takes)
        np.clip(bus, 0.0, np.maximum(ceiling, 0.0), out=bus)
        np.minimum(demand, p.grams_per_j, out=demand)
        np.minimum(demand, bus, out=demand, where=~self.view(self.fixed, "green"))
        np.minimum(time, 0.0, out=time)
        if not self.waits:
            done = self.done(y)[0]
            np.minimum(done, p.unserved_g, out=done)
            home = p.joules_per_batch * demand - p.seconds_per_batch * time
            np.minimum(done, home, out=done, where=~self.view(self.fixed, "own")[0])
        return y

    def least_g(self, y: Floats, hub: Floats) -> tuple[Floats, Floats]:
        """(K, n) g a batch of each class that waits, at the prices given: where it must stay, where it may leave."""
        p = self.program
        demand, time = self.row(y, "demand"), self.row(y, "time")
        home = np.where(p.may_run, p.joules_per_batch * demand - p.seconds_per_batch * time, np.inf)
        away = p.network_g + p.owner_j * demand - hub[self.slots :, None]
        return least_g(p, self._windows, home, np.where(self.work_open, away, np.inf))


_BY_FLOW = ("own", "offload", "unserved", "waiting")
