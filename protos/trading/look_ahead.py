"""A node's part of (D1)-(D7) over its look-ahead in the hub form, every slot awake, in the terms' units. Pure.

Names, equations and scaling are those of coordinator.market.wide.hub; the tests compare the two on random fleets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from protos.messages.market import MarketTerms
from protos.trading.own import Floats, Own
from protos.trading.proximal import Near

LEFT_PARTS = 3.0
LEFT_FACTOR = 1.0 / LEFT_PARTS
"""Cost of leaving work whose deadline lies beyond the look-ahead, as a share of missing a deadline."""


@dataclass(frozen=True)
class LookAhead:
    """The program with the columns of its variables: (T,) or, of own and away, (Q+1, T) columns; -1 where a limit fixes
    the value."""

    near: Near
    columns: dict[str, np.ndarray]
    slots: int

    def part(self, x: Floats, name: str) -> Floats:
        """The values of one block of variables."""
        at = self.columns[name]
        return np.where(at >= 0, x[np.maximum(at, 0)], 0.0)

    def trade(self, x: Floats) -> Floats:
        """(2 T,) E x: energy given to the hub minus taken, then work sent minus received."""
        return np.asarray(self.near.rows[len(self.near.right) :] @ x)


def look_ahead(own: Own, terms: MarketTerms) -> LookAhead:
    """Build the program of one node."""
    t, q = len(terms.intensity_g_per_kwh), len(own.backlog_batches) - 1
    window, classes = q + 1, t + q
    energy, work, gram = terms.unit_j, terms.unit_batches, terms.unit_j * terms.unit_g_per_j
    size = np.asarray(terms.bytes_per_batch)
    c = np.asarray(terms.intensity_g_per_kwh) / JOULES_PER_KWH / terms.unit_g_per_j
    e = own.joules_per_batch[:t] * work / energy
    tau = own.seconds_per_batch[:t] * work / own.slot_s
    owner, guest = (
        own.owner_j(terms.bytes_per_batch) * work / energy,
        own.guest_j(terms.bytes_per_batch) * work / energy,
    )
    network = c * size * terms.net_j_per_byte / 2 * work / energy
    has_store = own.battery_capacity_j > 0
    gain, cost = (own.charge_efficiency, own.discharge_efficiency) if has_store else (1.0, 1.0)
    keep = 1.0 - own.self_discharge_fraction
    harvest = own.harvest_j[:t] / energy
    released = np.array([*own.backlog_batches, *own.release_batches[: t - 1]], dtype=float)
    room = terms.offload_cap_fraction * released
    room[:window] = own.room_batches
    released, room = released / work, room / work
    open_ = np.asarray(terms.offloadable)
    with np.errstate(divide="ignore", invalid="ignore"):
        guests = np.fmin(own.storage_bytes / size / work, 1.0 / tau)
    capacity = max(own.battery_capacity_j, own.battery_j) / energy
    lasts = np.full(t, np.inf)
    build = _Builder()
    power_in, power_out = (
        own.slot_s * limit / energy * has_store for limit in (own.charge_limit_w, own.discharge_limit_w)
    )
    grid, green, curtailed, idle = (
        build.add("grid", lasts, c),
        build.add("green", lasts),
        build.add("curtailed", lasts),
        build.add("idle", lasts),
    )
    charge, discharge = (
        build.add("charge", np.full(t, power_in)),
        build.add("discharge", np.full(t, power_out)),
    )
    worth = np.zeros(t)
    worth[-1] = -cost * terms.later_g_per_kwh / JOULES_PER_KWH / terms.unit_g_per_j
    stored = build.add("stored", np.full(t, capacity if has_store else 0.0), worth)
    export = build.add("export", terms.transfer_cap_fraction * harvest * (own.export_efficiency > 0))
    bought = build.add("import", lasts if own.import_efficiency > 0 else np.zeros(t))
    hosted = build.add("guest", np.where(open_, guests, 0.0), network)
    late = np.arange(window)[:, None] + np.arange(t)[None, :]
    last = np.arange(classes)
    """(T+Q,) last slot of each class: its deadline, or the end of its stage."""
    if own.release_last_slots:
        last[window:] = np.minimum(last[window:], own.release_last_slots[: t - 1])
    in_time = np.arange(t)[None, :] <= last[late]
    models = _models_j(own, terms, last[window:] <= np.arange(1, t)) / energy
    own_ = build.add("own", np.where(in_time & (released[late] > 0), np.inf, 0.0))
    away = build.add(
        "away", np.where(in_time & open_[None, :], room[late], 0.0), np.broadcast_to(network, late.shape)
    )
    price = np.full(classes, terms.unserved_g * work / gram)
    price[last >= t] *= LEFT_FACTOR
    missed = build.add("unserved", np.where(released > 0, np.inf, 0.0), price)
    unused = build.add("unused", np.where((room > 0) & (q > 0), np.inf, 0.0))

    for slot in range(t):
        both = list(range(window))
        demand = [(grid[slot], 1.0), (green[slot], 1.0), (hosted[slot], -(e[slot] + guest[slot]))]
        demand += [(own_[k, slot], -e[slot]) for k in both] + [(away[k, slot], -owner[slot]) for k in both]
        build.row(demand, own.slot_s * own.static_w / energy + models[slot])  # (D1)
        build.row(
            [
                (bought[slot], own.import_efficiency),
                (discharge[slot], 1.0),
                *[(block[slot], -1.0) for block in (green, charge, export, curtailed)],
            ],
            -harvest[slot],
        )  # (D2)
        store = [(stored[slot], 1.0), (charge[slot], -gain), (discharge[slot], 1.0 / cost)]
        before = keep * own.battery_j / energy if slot == 0 else 0.0
        if slot:
            store.append((stored[slot - 1], -keep))
        build.row(store, before if has_store else 0.0)  # (D3)
        busy = [(own_[k, slot], tau[slot]) for k in both]
        build.row([(idle[slot], 1.0), (hosted[slot], tau[slot]), *busy], 1.0)  # (D7)
    for k in range(classes):
        where = [(left, k - left) for left in range(window) if 0 <= k - left < t]
        build.row(
            [(missed[k], 1.0), *[(own_[w], 1.0) for w in where], *[(away[w], 1.0) for w in where]],
            released[k],
        )  # (D4)
        if q > 0:
            build.row([(unused[k], 1.0), *[(away[w], 1.0) for w in where]], room[k])  # (D5)
    for slot in range(t):
        build.aim([(export[slot], own.export_efficiency), (bought[slot], -1.0)])
    for slot in range(t):
        build.aim([(hosted[slot], -1.0), *[(away[k, slot], 1.0) for k in range(window)]])
    return LookAhead(build.near(), build.columns, t)


def _models_j(own: Own, terms: MarketTerms, at_once: np.ndarray) -> Floats:
    """(T,) energy of the model's parameters where some own batch must run in the slot and cannot leave: as
    coordinator.market.participation. ``at_once``: later releases that may run in their own slot only."""
    t = len(terms.intensity_g_per_kwh)
    if own.model_j is None:
        return np.zeros(t)
    due = np.array([own.backlog_batches[0], *own.release_batches[: t - 1]], dtype=float)
    due[1:] *= at_once
    leave = np.floor(terms.offload_cap_fraction * due + 1e-9)
    leave[0] = own.room_batches[0]
    return np.where(due - leave * np.asarray(terms.offloadable) >= 1, own.model_j[:t], 0.0)


class _Builder:
    """Collects variables and rows; variables without room are left out, rows without variables too."""

    def __init__(self) -> None:
        self.columns: dict[str, np.ndarray] = {}
        self._cost: list[float] = []
        self._upper: list[float] = []
        self._rows: list[tuple[list[tuple[int, float]], float]] = []
        self._aims: list[list[tuple[int, float]]] = []

    def add(self, name: str, upper: Floats, cost: Floats | None = None) -> np.ndarray:
        costs = np.zeros(upper.shape) if cost is None else cost
        at = np.full(upper.shape, -1)
        for place in np.ndindex(upper.shape):
            if upper[place] > 0:
                at[place] = len(self._cost)
                self._cost.append(float(costs[place]))
                self._upper.append(float(upper[place]))
        self.columns[name] = at
        return at

    def row(self, terms: list[tuple[int, float]], right: float) -> None:
        kept = [(column, value) for column, value in terms if column >= 0]
        if kept:
            self._rows.append((kept, right))

    def aim(self, terms: list[tuple[int, float]]) -> None:
        self._aims.append([(column, value) for column, value in terms if column >= 0])

    def near(self) -> Near:
        rows = np.zeros((len(self._rows) + len(self._aims), len(self._cost)))
        for line, entries in enumerate([*(terms for terms, _ in self._rows), *self._aims]):
            for column, value in entries:
                rows[line, column] = value
        return Near(
            np.array(self._cost), rows, np.array([right for _, right in self._rows]), np.array(self._upper)
        )
