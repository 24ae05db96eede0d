"""A node's trader in one slot: turns private state into steps of supply and demand curves.

Energy. Serving a load L from the own bus costs C(L), convex and in steps. The next joule costs nothing where it would
be curtailed; eta_c times the value of a stored joule where it would be stored; that value over eta_d where the battery
gives it; c_i where the grid gives it. The value is (D9) of the single node: the use by its own future loads, zero
where its own harvest will fill the battery anyway. Asks are these values per joule that reaches the hub (/ out_i), bids
per joule in the hub (* in_i). Work. The k-th offloaded batch costs its executor C(L_k) - C(L_k-1) and half of
the network's grams, and the k-th batch sent away saves its owner the same: whole batches, each at its own cost, so that
every fill is whole without rounding. Convexity keeps a node's bids below its asks: no node trades with itself.
Sources: methods.md section 2, item 1; the curves in steps are a choice made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from carbon_data.stored_value import Days, Store, StoredValue, linear, stored_value
from carbon_data.units import JOULES_PER_KWH
from protos.messages.market import Fill, Good, MarketTerms, Quote, Side
from protos.trading.own import Filled, Managed, Own, Work

OVERLOAD_FACTOR = 100.0
"""A batch that its owner has no time to run is offered at this many times its own grams."""
_NOTHING = 1e-9
_SAME_PRICE = 1e-12


@dataclass(frozen=True, slots=True)
class Split:
    """Where harvest and battery go under a load, J: D1 and D2 of one slot by the trader's rule."""

    curtailed: float
    stored_after: float
    used: float
    stored_before: float
    drawn: float
    spare: float
    """Energy that the battery could still give, where it may discharge now."""
    grid: float


@dataclass
class Trader:
    """Private state of one node; the market sees quotes only."""

    own: Own
    terms: MarketTerms
    filled: Filled = field(default_factory=Filled)

    def __post_init__(self) -> None:
        own, terms = self.own, self.terms
        size, has_store = float(terms.bytes_per_batch[0]), own.battery_capacity_j > 0
        self.work = Work.of(own, size, terms.offloadable[0])
        self.grams_per_j = terms.intensity_g_per_kwh[0] / JOULES_PER_KWH
        self.charge_efficiency = own.charge_efficiency if has_store else 1.0
        self.discharge_efficiency = own.discharge_efficiency if has_store else 1.0
        stored = own.battery_j * (1.0 - own.self_discharge_fraction) if has_store else 0.0
        room = max(own.battery_capacity_j - stored, 0.0) / self.charge_efficiency
        self.value = later_value(own, terms)
        """(D9): value of the energy stored after this slot."""
        self.kept_j = stored
        self.room_j = min(own.slot_s * own.charge_limit_w, room) if has_store else 0.0
        """Energy that the battery can take from the bus in this slot."""
        self.drawable_j = (
            min(own.slot_s * own.discharge_limit_w, stored * self.discharge_efficiency) if has_store else 0.0
        )
        """Energy that the battery can give to the bus in this slot."""
        self.harvest_j = float(own.harvest_j[0])
        self.export_cap_j = terms.transfer_cap_fraction * self.harvest_j
        self.joules_per_batch = float(own.joules_per_batch[0])
        self.owner_j, self.guest_j = (
            own.owner_j(terms.bytes_per_batch[:1])[0],
            own.guest_j(terms.bytes_per_batch[:1])[0],
        )
        self.network_g = 0.5 * self.grams_per_j * size * terms.net_j_per_byte

    # --- value of a joule ----------------------------------------------------------------------------------

    def _stored_steps(self, low_j: float, high_j: float) -> list[tuple[float, float]]:
        """(g per J on the bus, J on the bus) of charging the battery from ``low_j`` to ``high_j``, highest value
        first."""
        steps = self.value.between(low_j, high_j)
        return [(self.charge_efficiency * grams, width / self.charge_efficiency) for grams, width in steps]

    def _drawn_steps(self, low_j: float, high_j: float) -> list[tuple[float, float]]:
        """(g per J on the bus, J on the bus) of drawing the battery from ``high_j`` to ``low_j``, highest value
        first."""
        steps = self.value.between(low_j, high_j)
        return [
            (grams / self.discharge_efficiency, width * self.discharge_efficiency) for grams, width in steps
        ]

    @cached_property
    def charge_j(self) -> float:
        """Energy to store before serving the load: all that has more value later than it saves now."""
        worth = self.charge_efficiency * self.value.grams_per_j[0] > self.grams_per_j
        target_j = float(self.value.widths_j[0][worth].sum())
        return min(max(target_j - self.kept_j, 0.0) / self.charge_efficiency, self.room_j)

    @cached_property
    def discharge_j(self) -> float:
        """Largest discharge: all stored energy that has less value later than it saves now."""
        worth = self.value.grams_per_j[0] > self.grams_per_j * self.discharge_efficiency
        reserve_j = float(self.value.widths_j[0][worth].sum())
        return max(self.kept_j - reserve_j, 0.0) * self.discharge_efficiency

    def split(self, load_j: float) -> Split:
        """Use of own energy under a load."""
        before = min(self.harvest_j, self.charge_j)
        used = min(self.harvest_j - before, load_j)
        surplus = self.harvest_j - before - used
        after = min(surplus, self.room_j - before)
        lack = load_j - used
        drawable = min(self.discharge_j, self.drawable_j)
        drawn = min(drawable, lack)
        return Split(surplus - after, after, used, before, drawn, drawable - drawn, lack - drawn)

    def cost_g(self, load_j: float) -> float:
        """C(L): grams of the grid's joules, and of stored joules at their later value."""
        parts = self.split(load_j)
        stored = self.charge_efficiency * (parts.stored_before + parts.stored_after)
        after = self.kept_j + stored - parts.drawn / self.discharge_efficiency
        before_g, after_g = (float(self.value.of(np.array([level]))[0]) for level in (self.kept_j, after))
        return self.grams_per_j * parts.grid + before_g - after_g

    def load_j(self, own: float, guests: float, sent: float) -> float:
        """Right side of (D1), awake."""
        models = self.own.model_j
        return (
            self.own.slot_s * self.own.static_w
            + self.joules_per_batch * (own + guests)
            + self.guest_j * guests
            + self.owner_j * sent
            + (float(models[0]) if models is not None and own + guests > 0 else 0.0)
        )

    # --- quotes --------------------------------------------------------------------------------------------

    def work_quotes(self) -> list[Quote]:
        """Bids for running own batches at other nodes, highest first, and asks for running theirs, cheapest first."""
        work, per_batch = self.work, self.joules_per_batch
        alone = min(work.available, work.capacity)
        overload = min(work.available - alone, work.may_leave)
        dear = OVERLOAD_FACTOR * max(per_batch * self.grams_per_j, 1.0 / JOULES_PER_KWH)
        base = self.load_j(alone, 0, overload)
        away = (
            self.cost_g(base - k * (per_batch - self.owner_j))
            - self.cost_g(base - (k + 1) * (per_batch - self.owner_j))
            - self.network_g
            for k in range(min(work.may_leave - overload, alone))
        )
        bids = [
            *([Quote(Good.WORK, Side.BID, dear, float(overload))] if overload else []),
            *_merged(Side.BID, away),
        ]
        load, run = self.load_j(alone, 0, 0), per_batch + self.guest_j
        here = (
            self.cost_g(load + (k + 1) * run) - self.cost_g(load + k * run) + self.network_g
            for k in range(min(work.guest_room, max(work.capacity - work.available, 0)))
        )
        return [*bids, *_merged(Side.ASK, here)]

    def energy_quotes(self) -> list[Quote]:
        """Asks for energy it may give, cheapest first, and bids for energy it lacks, for the work it has now."""
        parts, own = self.split(self.load_now_j()), self.own
        stored_j = self.charge_efficiency * (parts.stored_before + parts.stored_after)
        taken_j = parts.drawn / self.discharge_efficiency
        level_j = self.kept_j - taken_j
        quotes: list[Quote] = []
        gives = [
            (0.0, parts.curtailed),
            (self.grams_per_j, parts.used),
            *self._stored_steps(level_j, level_j + stored_j),
            *self._drawn_steps(level_j - parts.spare / self.discharge_efficiency, level_j),
        ]
        left = self.export_cap_j if own.export_efficiency > 0 else 0.0
        for value, energy_j in sorted(gives, key=lambda step: step[0]):
            amount = min(left, energy_j)
            left -= amount
            if amount > _NOTHING:
                price = value / own.export_efficiency
                quotes.append(Quote(Good.ENERGY, Side.ASK, price, amount * own.export_efficiency))
        if own.import_efficiency <= 0:
            return quotes
        wants = [
            (self.grams_per_j, parts.grid),
            *self._drawn_steps(level_j + stored_j, level_j + stored_j + taken_j),
            *self._stored_steps(
                level_j + stored_j + taken_j, self.kept_j + self.charge_efficiency * self.room_j
            ),
        ]
        for value, energy_j in sorted(wants, key=lambda step: -step[0]):
            if value > 0 and energy_j > _NOTHING:
                price, amount = value * own.import_efficiency, energy_j / own.import_efficiency
                quotes.append(Quote(Good.ENERGY, Side.BID, price, amount))
        return quotes

    # --- results -------------------------------------------------------------------------------------------

    def take(self, fills: Iterable[Fill]) -> None:
        """The market's result for this node."""
        for fill in fills:
            paid = fill.price_g * fill.quantity
            self.filled.paid_g += paid if fill.side is Side.BID else -paid
            if fill.good is Good.WORK and fill.side is Side.BID:
                self.filled.sent_batches += round(fill.quantity)
            elif fill.good is Good.WORK:
                self.filled.guest_batches += round(fill.quantity)
            elif fill.side is Side.BID:
                self.filled.bought_j += fill.quantity
            else:
                self.filled.sold_j += fill.quantity

    def home_batches(self) -> int:
        """Own batches that run at home: as many as the time allows."""
        f = self.filled
        return max(min(self.work.available - f.sent_batches, self.work.capacity - f.guest_batches), 0)

    def load_now_j(self) -> float:
        """Load with the work from the market so far."""
        return self.load_j(self.home_batches(), self.filled.guest_batches, self.filled.sent_batches)

    def managed(self, sent_batches: int, guest_batches: int) -> Managed:
        """The node's own plan, with ``sent_batches`` sent away and ``guest_batches`` of others here."""
        home = min(self.work.available - sent_batches, self.work.capacity - guest_batches)
        return Managed(max(home, 0), self.charge_j, self.discharge_j)


def _merged(side: Side, prices: Iterable[float]) -> Iterator[Quote]:
    """Batches one by one as steps of equal price; bids end where sending a batch away has no value."""
    price, count = 0.0, 0
    for each in prices:
        if side is Side.BID and each <= 0:
            break
        if count and abs(each - price) <= _SAME_PRICE * max(abs(price), abs(each)):
            count += 1
            continue
        if count:
            yield Quote(Good.WORK, side, price, float(count))
        price, count = max(each, 0.0), 1
    if count:
        yield Quote(Good.WORK, side, price, float(count))


def later_value(own: Own, terms: MarketTerms) -> StoredValue:
    """(D9) of the single node after this slot, over the look-ahead that the terms give.

    Scarcity is the expected value of a later joule as a share of the node's own intensity; it is below 1 where many
    imports are expected (belief and auction).
    """
    slots = len(terms.intensity_g_per_kwh)
    grams = np.asarray(terms.intensity_g_per_kwh) / JOULES_PER_KWH
    if terms.scarcity:
        grams = grams * np.asarray(terms.scarcity)
    released = np.array([0.0, *own.release_batches[: slots - 1]])
    load = own.slot_s * own.static_w + own.joules_per_batch[:slots] * released
    if own.model_j is not None:
        load = load + own.model_j[:slots] * (released > 0)
    has_store = own.battery_capacity_j > 0

    def one(value: float) -> NDArray[np.float64]:
        return np.array([value])

    store = Store(
        capacity_j=one(max(own.battery_capacity_j, own.battery_j) if has_store else 0.0),
        charge_efficiency=one(own.charge_efficiency if has_store else 1.0),
        discharge_efficiency=one(own.discharge_efficiency if has_store else 1.0),
        keep_fraction=one(1.0 - own.self_discharge_fraction),
        charge_cap_j=one(own.slot_s * own.charge_limit_w),
        discharge_cap_j=one(own.slot_s * own.discharge_limit_w),
    )
    end = linear(store.capacity_j, one(own.discharge_efficiency * terms.later_g_per_kwh / JOULES_PER_KWH))
    ahead = slice(1, slots)
    days = Days(load[ahead, None], own.harvest_j[ahead, None], grams[ahead, None])
    return stored_value(days, store, end)
