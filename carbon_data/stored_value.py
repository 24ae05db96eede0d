"""Value of a joule in a battery: (D9) of docs/methods.md, a backward dynamic program over the known slots.

V_i(B) is the least emissions of node i from a slot on with an empty battery, minus the least with B in it: concave, and
piecewise linear. A joule on the bus serves the most valuable use that is left: own load at the grid's intensity (or at
the cost of a neighbour's joule), a sale at the hub's price, the battery, or nothing. Going backward, the steps of these
uses and those of V after the slot are merged, highest value first. V before the slot is read from the merged steps
between the part that the slot's harvest fills alone and the part that a full battery adds. Exact for a single node;
with trade, exact at given hub prices.

Arrays over slots are (T, N), slots first; over steps (N, S), highest value first. Units: J on the bus or stored, g."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_STEPS = 128
"""Steps kept between slots; beyond, they are read at this many equal levels of charge."""
_PLENTY = 1e30
"""Width of what takes any number of joules."""


@dataclass(frozen=True, slots=True)
class Store:
    """Batteries of N nodes, (N,) each; a node without one has a capacity of 0."""

    capacity_j: Floats
    charge_efficiency: Floats
    discharge_efficiency: Floats
    keep_fraction: Floats
    """1 - sigma, share of the energy stored before a slot that remains."""
    charge_cap_j: Floats
    """Most that the battery takes from the bus in a slot."""
    discharge_cap_j: Floats
    """Most that it gives to the bus in a slot."""


@dataclass(frozen=True, slots=True)
class Days:
    """Known figures of the slots in which stored energy may be used, (T, N) each."""

    load_j: Floats
    harvest_j: Floats
    grams_per_j: Floats
    """Of the grid."""

    def __len__(self) -> int:
        return len(self.load_j)


@dataclass(frozen=True, slots=True)
class Trade:
    """Prices and limits at which nodes may trade, (T, N) each."""

    buy_g_per_j: Floats
    """Of a joule that arrives on the node's bus; infinite where it cannot buy."""
    sell_g_per_j: Floats
    """For a joule that leaves the node's bus."""
    sell_cap_j: Floats
    """(D6)."""


@dataclass(frozen=True, slots=True)
class StoredValue:
    """V_i(B) by its slopes: the first ``widths_j`` joules of charge have a value of ``grams_per_j`` each, and so on."""

    grams_per_j: Floats
    """(N, S), falling along a row."""
    widths_j: Floats
    """(N, S); a row adds up to the battery's capacity."""

    def of(self, stored_j: Floats) -> Floats:
        """(N,) V_i(``stored_j``), g."""
        before = np.cumsum(self.widths_j, axis=1) - self.widths_j
        return np.asarray(
            (self.grams_per_j * np.clip(stored_j[:, None] - before, 0.0, self.widths_j)).sum(axis=1)
        )

    def slope_at(self, stored_j: Floats) -> Floats:
        """(N,) value of one more joule at this charge, g per J; 0 where the battery is full."""
        past = np.cumsum(self.widths_j, axis=1) <= stored_j[:, None] + 1e-9
        step = past.sum(axis=1)
        padded = np.pad(self.grams_per_j, ((0, 0), (0, 1)))
        return np.asarray(padded[np.arange(len(step)), step])

    def between(self, low_j: float, high_j: float) -> list[tuple[float, float]]:
        """(g per J, J) of the steps between two charges of the first node's battery, highest first."""
        ends = np.cumsum(self.widths_j[0])
        widths = np.clip(np.minimum(ends, high_j) - np.maximum(ends - self.widths_j[0], low_j), 0.0, None)
        return [(float(g), float(w)) for g, w in zip(self.grams_per_j[0], widths, strict=True) if w > 0]

    def in_steps(self, steps: int) -> StoredValue:
        """The same value read at ``steps`` equal levels of charge: concave still, and nowhere higher."""
        return _read_at(self.grams_per_j, self.widths_j, self.widths_j.sum(axis=1), steps)


def linear(capacity_j: Floats, grams_per_j: Floats) -> StoredValue:
    """A value that is the same for every stored joule."""
    return StoredValue(np.maximum(grams_per_j, 0.0)[:, None], capacity_j[:, None].copy())


def stored_value(days: Days, store: Store, after: StoredValue, trade: Trade | None = None) -> StoredValue:
    """(D9): value of the energy stored before the first slot of ``days``, with the value ``after`` at their end."""
    value, width = after.grams_per_j, after.widths_j
    for slot in range(len(days) - 1, -1, -1):
        uses = _uses(days, trade, slot)
        value, width = _before(value, width, store, days.harvest_j[slot], uses, trade, slot)
        if value.shape[1] > _MOST_STEPS:
            coarse = _read_at(value, width, store.capacity_j, _MOST_STEPS)
            value, width = coarse.grams_per_j, coarse.widths_j
    return StoredValue(value, width)


def expected_value(values: Sequence[StoredValue]) -> StoredValue:
    """Mean of equally likely values of the same batteries, exact: its steps end wherever a step of one of them does."""
    if len(values) == 1:
        return values[0]
    ends = [np.cumsum(value.widths_j, axis=1) for value in values]
    borders = np.sort(np.concatenate(ends, axis=1), axis=1)
    widths = np.diff(borders, axis=1, prepend=0.0)
    middles = borders - 0.5 * widths
    slopes = np.zeros_like(borders)
    for value, end in zip(values, ends, strict=True):
        step = (end[:, None, :] <= middles[:, :, None]).sum(axis=2)
        step = np.minimum(step, end.shape[1] - 1)
        slopes += np.take_along_axis(value.grams_per_j, step, axis=1)
    return StoredValue(slopes / len(values), widths)


Steps = list[tuple[Floats, Floats]]
"""(N,) value and width of each step, highest value first."""


def _uses(days: Days, trade: Trade | None, slot: int) -> Steps:
    """Uses of a joule on the bus in a slot except storing it; the last one is curtailment."""
    load, grams = days.load_j[slot], days.grams_per_j[slot]
    nothing = (np.zeros(len(load)), np.full(len(load), _PLENTY))
    if trade is None:
        return [(grams, load), nothing]
    saved, sold = np.minimum(grams, trade.buy_g_per_j[slot]), trade.sell_g_per_j[slot]
    first = sold > saved
    cap = trade.sell_cap_j[slot]
    return [
        (np.where(first, sold, saved), np.where(first, cap, load)),
        (np.where(first, saved, sold), np.where(first, load, cap)),
        nothing,
    ]


def _before(
    value: Floats, width: Floats, store: Store, harvest_j: Floats, uses: Steps, trade: Trade | None, slot: int
) -> tuple[Floats, Floats]:
    """V before a slot from V after it, both as steps.

    Of the bus's energy the harvest alone would serve the first ``harvest_j`` of the uses. Charging takes joules from
    the last of these (1 / eta_c of a use per joule stored), discharging serves the next ones (eta_d per joule)."""
    least = harvest_j - store.charge_cap_j
    most = harvest_j + store.discharge_cap_j
    values, widths = [value], [width]
    if trade is not None:  # joules bought to be stored: not to store them saves their price
        bought = np.maximum(-least, 0.0) * np.isfinite(trade.buy_g_per_j[slot])
        price = np.where(bought > 0, trade.buy_g_per_j[slot], 0.0)
        values.append((price / store.charge_efficiency)[:, None])
        widths.append((bought * store.charge_efficiency)[:, None])
    least = np.maximum(least, 0.0)
    begin = np.zeros(len(harvest_j))
    for worth, size in uses:
        end = begin + size
        given_up = np.maximum(np.minimum(end, harvest_j) - np.maximum(begin, least), 0.0)
        served = np.maximum(np.minimum(end, most) - np.maximum(begin, harvest_j), 0.0)
        values += [(worth / store.charge_efficiency)[:, None], (worth * store.discharge_efficiency)[:, None]]
        widths += [
            (given_up * store.charge_efficiency)[:, None],
            (served / store.discharge_efficiency)[:, None],
        ]
        begin = end
    merged, sizes = np.concatenate(values, axis=1), np.concatenate(widths, axis=1)
    # content of a battery that was empty before the slot: all that may be charged, before any use of it
    filled = np.concatenate(widths[1:], axis=1)[:, _charging(len(widths) - 1)].sum(axis=1)
    order = np.argsort(-merged, axis=1, kind="stable")
    merged, sizes = np.take_along_axis(merged, order, axis=1), np.take_along_axis(sizes, order, axis=1)
    ends = np.cumsum(sizes, axis=1)
    top = filled + store.keep_fraction * store.capacity_j
    inside = np.minimum(ends, top[:, None]) - np.maximum(ends - sizes, filled[:, None])
    keep = store.keep_fraction[:, None]
    sizes = np.divide(np.maximum(inside, 0.0), keep, out=np.zeros_like(sizes), where=keep > 0)
    return _compact(merged * keep, sizes, store.capacity_j)


def _charging(count: int) -> list[int]:
    """Places of the charging steps among the slot's own: uses come in pairs, charging first, a purchase before them."""
    first = count % 2
    return [*range(first), *range(first, count, 2)]


def _compact(value: Floats, width: Floats, capacity_j: Floats) -> tuple[Floats, Floats]:
    """Steps without the empty ones; a last step of value 0 covers the rest (a full battery's surplus)."""
    real = width > 0
    most = int(real.sum(axis=1).max(initial=0))
    order = np.argsort(~real, axis=1, kind="stable")[:, :most]
    value, width = np.take_along_axis(value, order, axis=1), np.take_along_axis(width, order, axis=1)
    rest = np.maximum(capacity_j - width.sum(axis=1), 0.0)
    value = np.where(width > 0, value, 0.0)
    return np.column_stack([value, np.zeros(len(rest))]), np.column_stack([width, rest])


def _read_at(value: Floats, width: Floats, capacity_j: Floats, steps: int) -> StoredValue:
    ends = np.cumsum(width, axis=1)
    starts = ends - width
    each = capacity_j / steps
    grams = np.empty((len(value), steps + 1))
    for level in range(steps + 1):
        charge = (each * level)[:, None]
        grams[:, level] = (value * np.clip(charge - starts, 0.0, width)).sum(axis=1)
    slopes = np.divide(
        np.diff(grams, axis=1), each[:, None], out=np.zeros((len(value), steps)), where=each[:, None] > 0
    )
    # equal slopes differ in their last digits only: falling still
    slopes = np.minimum.accumulate(np.maximum(slopes, 0.0), axis=1)
    return StoredValue(slopes, np.repeat(each[:, None], steps, axis=1))
