"""A node's trader in one slot: turns private state into steps of supply and demand curves, and nothing else.

Energy. A joule on the bus is worth: nothing where it would be curtailed; eta_c times the value of a stored joule where
it would be stored; c_i where it spares the grid. Asks are these values per joule that reaches the hub (/ out_i), bids
per joule in the hub (* in_i). Work. A batch costs its executor the joules of receiving and running it at the value of
its next joules, and spares its owner the same at home, less sending and both halves of the network's grams.
Sources: methods.md section 2, item 1; the curves in steps are a choice made here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Fleet
from coordinator.market.negotiation.wire import Good, Quote, Side
from coordinator.market.rounding import WorkLimits

OVERLOAD_FACTOR = 100.0
"""A batch that its owner has no time for is worth this many times its own grams to be rid of."""
_NOTHING = 1e-9


@dataclass(slots=True)
class Trader:
    """Private state of one node; the market sees quotes only."""

    node: int
    grams_per_j: float
    later_g_per_j: float
    """Expected best later value of a stored joule, discharging loss included."""
    harvest_j: float
    export_cap_j: float
    drawable_j: float
    """What the battery can give to the bus in this slot."""
    room_j: float
    """What the battery can take from the bus in this slot."""
    charge_efficiency: float
    discharge_efficiency: float
    export_efficiency: float
    import_efficiency: float
    static_j: float
    joules_per_batch: float
    owner_j: float
    guest_j: float
    network_g: float
    own_batches: float
    may_leave: float
    capacity: float
    guest_room: float

    @property
    def holds(self) -> bool:
        """Whether the battery waits for a dirtier hour instead of serving the load now."""
        return self.grams_per_j * self.discharge_efficiency < self.later_g_per_j

    @property
    def stored_g_per_j(self) -> float:
        """What a joule on the bus is worth when it is stored."""
        return self.charge_efficiency * self.later_g_per_j if self.room_j > 0 else 0.0

    @property
    def charges_first(self) -> bool:
        """Whether harvest is stored before it serves the load: worth it where a dirtier hour comes."""
        return self.stored_g_per_j > self.grams_per_j

    @property
    def charge_j(self) -> float:
        """What to store before serving the load."""
        return self.room_j if self.charges_first else 0.0

    def _split(self, load_j: float) -> tuple[float, float, float, float]:
        """Where own harvest goes: (curtailed, stored after the load, to the load, stored before it), in J."""
        before = min(self.harvest_j, self.charge_j)
        used = min(self.harvest_j - before, load_j)
        surplus = self.harvest_j - before - used
        after = min(surplus, self.room_j - before)
        return surplus - after, after, used, before

    def _lack_j(self, load_j: float) -> float:
        """Load that neither harvest nor battery serves."""
        rest = load_j - self._split(load_j)[2]
        return rest if self.holds else rest - min(self.drawable_j, rest)

    def _steps(self, load_j: float) -> list[tuple[float, float]]:
        """(value, joules) of the bus's next joules of load before the grid's: what is curtailed, then stored."""
        curtailed, after, _, _ = self._split(load_j)
        return [(0.0, curtailed), (self.stored_g_per_j, after)]

    def load_j(self, own: float, guests: float, sent: float) -> float:
        return (
            self.static_j
            + self.joules_per_batch * (own + guests)
            + self.guest_j * guests
            + self.owner_j * sent
        )

    def energy_quotes(self, load_j: float) -> list[Quote]:
        """Asks for what it may give away, cheapest first, and bids for what it lacks."""
        quotes: list[Quote] = []
        left = self.export_cap_j
        _, after, used, before = self._split(load_j)
        own_use = [(self.grams_per_j, used), (self.stored_g_per_j, before)]
        for value, energy_j in [*self._steps(load_j), *own_use]:
            amount = min(left, energy_j) * self.export_efficiency
            left -= min(left, energy_j)
            if amount > _NOTHING:
                quotes.append(Quote(self.node, Good.ENERGY, Side.ASK, value / self.export_efficiency, amount))
        if self.import_efficiency <= 0:
            return quotes
        wants = [
            (self.grams_per_j, self._lack_j(load_j)),
            (self.stored_g_per_j, self.room_j - before - after),
        ]
        for value, energy_j in wants:
            if value > 0 and energy_j > _NOTHING:
                price, amount = value * self.import_efficiency, energy_j / self.import_efficiency
                quotes.append(Quote(self.node, Good.ENERGY, Side.BID, price, amount))
        return quotes

    def work_quotes(self) -> list[Quote]:
        """Bids to have own batches run elsewhere, dearest first, and asks to run guests, cheapest first."""
        quotes: list[Quote] = []
        load = self.load_j(self.own_batches, 0.0, 0.0)
        away, at_home = self.owner_j, self.joules_per_batch
        overload = min(max(self.own_batches - self.capacity, 0.0), self.may_leave)
        lack, value = self._lack_j(load), self.stored_g_per_j
        spared = lack / at_home if at_home > 0 else 0.0
        dear = OVERLOAD_FACTOR * max(at_home * self.grams_per_j, 1.0 / JOULES_PER_KWH)
        left = self.may_leave
        for price, batches in (
            (dear, overload),
            ((at_home - away) * self.grams_per_j - self.network_g, spared),
            ((at_home - away) * value - self.network_g, self.may_leave),
        ):
            amount = min(left, batches)
            if price > 0 and amount > _NOTHING:
                quotes.append(Quote(self.node, Good.WORK, Side.BID, price, amount))
                left -= amount
        left = min(self.guest_room, max(self.capacity - self.own_batches, 0.0))
        run = at_home + self.guest_j
        for worth, energy_j in [*self._steps(load), (self.grams_per_j, np.inf)]:
            amount = min(left, energy_j / run if run > 0 else left)
            left -= amount
            if amount > _NOTHING:
                price = run * worth + self.network_g
                quotes.append(Quote(self.node, Good.WORK, Side.ASK, price, float(amount)))
        return quotes


def best_later_g_per_j(fleet: Fleet, node: int, scarcity: np.ndarray | None = None) -> float:
    """Expected best later value of a stored joule: the dearest hour it can still reach, or the end of the look-ahead.

    ``scarcity`` (H,): the share of its own intensity that a joule is expected to be worth later, where imports are
    expected to be plentiful (belief.py); None: all of it.
    """
    keep = 1.0 - float(fleet.self_discharge_fraction[node])
    ahead = np.arange(1, fleet.horizon)
    later = fleet.intensity_g_per_kwh[node, 1:] / JOULES_PER_KWH * float(fleet.discharge_efficiency[node])
    if scarcity is not None:
        later = later * scarcity[1:]
    end = float(fleet.stored_value_g_per_j[node]) * keep ** (fleet.horizon - 1)
    return max(float((later * keep**ahead).max(initial=0.0)), end)


def traders(fleet: Fleet, limits: WorkLimits, scarcity: np.ndarray | None = None) -> list[Trader]:
    """One trader per node, each with its own row of the fleet. ``scarcity`` (N, H): what each believes."""
    slot_s, size = fleet.slot_s, float(fleet.bytes_per_batch[0])
    grams = fleet.intensity_g_per_kwh[:, 0] / JOULES_PER_KWH
    found = []
    for i in range(fleet.size):
        has_store = fleet.battery_capacity_j[i] > 0
        gain = float(fleet.charge_efficiency[i]) if has_store else 1.0
        cost = float(fleet.discharge_efficiency[i]) if has_store else 1.0
        stored = float(fleet.battery_j[i]) * (1.0 - float(fleet.self_discharge_fraction[i]))
        room = max(float(fleet.battery_capacity_j[i]) - stored, 0.0) / gain
        found.append(
            Trader(
                node=i,
                grams_per_j=float(grams[i]),
                later_g_per_j=best_later_g_per_j(fleet, i, None if scarcity is None else scarcity[i])
                if has_store
                else 0.0,
                harvest_j=float(fleet.harvest_j[i, 0]),
                export_cap_j=fleet.limits.transfer_cap_fraction * float(fleet.harvest_j[i, 0]),
                drawable_j=min(slot_s * float(fleet.discharge_limit_w[i]), stored * cost)
                if has_store
                else 0.0,
                room_j=min(slot_s * float(fleet.charge_limit_w[i]), room) if has_store else 0.0,
                charge_efficiency=gain,
                discharge_efficiency=cost,
                export_efficiency=float(fleet.export_efficiency[i]),
                import_efficiency=float(fleet.import_efficiency[i]),
                static_j=slot_s * float(fleet.static_w[i]),
                joules_per_batch=float(fleet.joules_per_batch[i, 0]),
                owner_j=size * float(fleet.tx_j_per_byte[i]),
                guest_j=size * float(fleet.rx_j_per_byte[i]),
                network_g=0.5 * float(grams[i]) * size * fleet.limits.net_j_per_byte,
                own_batches=float(limits.available[i]),
                may_leave=float(limits.may_leave[i]),
                capacity=float(limits.capacity[i]),
                guest_room=float(limits.guest_room[i]),
            )
        )
    return found
