"""What a slot costs a node awake, asleep and waking up, at given prices: the stages of sleep_paths.py.

The prices of the hubs, of stored energy, and of work done take away what couples nodes and slots. What is left of a
node's slot is a small linear program, once for each of the three states: its load is served from the green bus or the
grid, its time by batches of its own and of guests. Its dual has two prices, p of a joule of load and b of one on the
bus, with p <= c_i and p <= b <= lambda / in_j; at p and b every flow and every batch is taken or not by its own reduced
cost. Any such p and b give a lower bound of the slot's cost; the best is taken of the prices at which some flow turns,
for each state by itself. Joules, batches and g CO2e as in hub.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Floats
from coordinator.market.wide.block import Block
from coordinator.market.wide.decomposition import NodePrices


@dataclass(frozen=True, slots=True)
class SleepData:
    """What a node draws and can do in its three states; the program beside it has every node awake."""

    asleep_j: Floats
    """(T, N) static load asleep; of a node that cannot sleep, that awake."""
    wake_j: Floats
    """(N,) E_wk."""
    capacity: Floats
    """(T, N) most batches of a slot awake; infinite where they take no time."""
    capacity_waking: Floats
    """(T, N) likewise in a slot in which it wakes up."""

    def take(self, nodes: slice) -> SleepData:
        """The data of some nodes."""
        return SleepData(
            self.asleep_j[:, nodes],
            self.wake_j[nodes],
            self.capacity[:, nodes],
            self.capacity_waking[:, nodes],
        )


@dataclass(frozen=True, slots=True)
class Stages:
    """(T, N) g, lower bounds of what each slot costs; infinite asleep where a node cannot sleep."""

    awake: Floats
    asleep: Floats
    waking: Floats


class Stage:
    """The slots of a block's nodes (in J, batches and g) at one set of prices."""

    def __init__(self, block: Block, energy_price: Floats, work_price: Floats, prices: NodePrices) -> None:
        """``energy_price``, ``work_price`` (T,): what a node is paid for a joule and a batch put into the hub."""
        self._block, p = block, block.program
        self._program = p
        self._takes, self._gives = (~block.view(block.fixed, name) for name in ("import_", "export"))
        self._charges, self._discharges = (~block.view(block.fixed, name) for name in ("charge", "discharge"))
        buy = np.divide(
            energy_price[:, None],
            p.import_efficiency,
            out=np.full(p.harvest_j.shape, np.inf),
            where=self._takes,
        )
        self._most_bus = np.maximum(buy, 0.0)
        self._most_load = np.minimum(p.grams_per_j, self._most_bus)
        self._sell = energy_price[:, None] * p.export_efficiency
        self._store = p.charge_efficiency * prices.store_g_per_j
        self._draw = prices.store_g_per_j / p.discharge_efficiency
        self._work_price, self._prices = work_price[:, None], prices

    def of(self, data: SleepData) -> Stages:
        """Bounds of the three states."""
        p = self._program
        best = [np.full(p.harvest_j.shape, -np.inf) for _ in range(3)]
        states = (
            (p.static_j, data.capacity),
            (data.asleep_j, None),
            (p.static_j + data.wake_j, data.capacity_waking),
        )
        for load_price, bus_prices in self._candidates():
            margins, limits = _cheapest_first(*self._items(load_price))
            sent = self._sent(load_price)
            runs = [0.0 if most is None else _filled(margins, limits, most) for _, most in states]
            draws = [load_price * load for load, _ in states]
            for bus_price in bus_prices:
                around = self._supply(bus_price) + sent
                for found, drawn, run in zip(best, draws, runs, strict=True):
                    np.maximum(found, around + drawn + run, out=found)
        return Stages(*best)

    def _candidates(self) -> Iterator[tuple[Floats, list[Floats]]]:
        """Prices p of load, and those b on the bus beside each, (T, N) each, at which some flow turns."""
        zero = np.zeros_like(self._sell)
        turns = (self._most_load, self._sell, self._store, self._draw, zero)
        for load in turns:
            load_price = np.clip(load, 0.0, self._most_load)
            most = np.maximum(self._most_bus, load_price)
            others = [np.clip(bus, load_price, most) for bus in (self._sell, self._store, self._draw)]
            yield load_price, [load_price, *others]

    def _supply(self, bus: Floats) -> Floats:
        """What the green bus brings, at ``bus`` a joule."""
        p = self._program
        value = -bus * p.harvest_j
        value += p.charge_cap_j * np.minimum(bus - self._store, 0.0) * self._charges
        value += p.discharge_cap_j * np.minimum(self._draw - bus, 0.0) * self._discharges
        value += p.export_cap_j * np.minimum(bus - self._sell, 0.0) * self._gives
        return np.asarray(value)

    def _items(self, load_price: Floats) -> tuple[Floats, Floats]:
        """(q+2, T, N) reduced costs of own batches by slots left and of guests, and how many of each there are."""
        p, block, slots = self._program, self._block, self._block.slots
        own = p.joules_per_batch * load_price
        margins, limits = [], []
        for left in range(block.window):
            due = slice(left, left + slots)
            margins.append(own - self._prices.done_g_per_batch[due])
            limits.append(p.class_batches[due] * ~p.closed[left][:, None])
        margins.append((p.joules_per_batch + p.guest_j) * load_price + p.network_g + self._work_price)
        limits.append(p.guest_cap_batches * ~block.view(block.fixed, "guest"))
        return np.array(margins), np.array(limits)

    def _sent(self, load_price: Floats) -> Floats:
        """Batches that leave, awake or not."""
        p, block, slots = self._program, self._block, self._block.slots
        value = np.zeros_like(load_price)
        for left in range(block.window):
            due = slice(left, left + slots)
            margin = p.network_g + p.owner_j * load_price - self._work_price
            margin = margin - self._prices.done_g_per_batch[due] + self._prices.cap_g_per_batch[due]
            may = block.work_open & ~p.closed[left][:, None]
            value += p.offload_cap_batches[due] * np.minimum(margin, 0.0) * may
        return value


def _cheapest_first(margins: Floats, limits: Floats) -> tuple[Floats, Floats]:
    """Batches of every slot in the order of their reduced costs."""
    order = np.argsort(margins, axis=0, kind="stable")
    return np.take_along_axis(margins, order, 0), np.take_along_axis(limits, order, 0)


def _filled(margins: Floats, limits: Floats, capacity: Floats) -> Floats:
    """(T, N) least cost of a slot's batches, cheapest first as far as there is time."""
    value, left = np.zeros_like(capacity), capacity
    for margin, limit in zip(margins, limits, strict=True):
        put = np.minimum(limit, left)
        value += np.minimum(margin, 0.0) * put
        left = left - put
    return value
