"""Energy of nodes that trade nothing, over all slots by column: LOCAL's rule, green first, surplus stored, discharged
once. What couples slots is the charge alone, one row of additions and limits a slot; the rest is whole arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from coordinator.market.fleet import Floats


@dataclass(frozen=True, slots=True)
class Batteries:
    """Constants of N batteries, (N,) each; a node without one has a capacity of 0. On the bus side: the caps."""

    capacity_j: Floats
    """No less than what is stored at first."""
    charge_efficiency: Floats
    discharge_efficiency: Floats
    keep_fraction: Floats
    """1 - sigma: of the charge before a slot, what remains."""
    charge_cap_j: Floats
    """Most into the battery in a slot."""
    discharge_cap_j: Floats
    """Most out of it; (N,), or (T, N) where slots differ."""

    def during(self, slots: slice) -> Batteries:
        """Those of some slots."""
        every = self.discharge_cap_j
        return self if every.ndim == 1 else replace(self, discharge_cap_j=every[slots])


@dataclass(frozen=True, slots=True)
class OwnEnergy:
    """(T, N) J of every slot."""

    grid_j: Floats
    green_j: Floats
    charge_j: Floats
    discharge_j: Floats
    stored_j: Floats
    """After the slot."""
    curtailed_j: Floats


_AT_ONCE = 8192
"""Entries of the arrays that are worked on at once: they stay in the processor's cache."""


def own_energy(load_j: Floats, harvest_j: Floats, batteries: Batteries, stored_j: Floats) -> OwnEnergy:
    """The rule for (T, N) ``load_j`` and ``harvest_j``, with (N,) ``stored_j`` before the first slot."""
    slots, nodes = load_j.shape
    found = OwnEnergy(*np.empty((len(fields(OwnEnergy)), slots, nodes)))
    at_once = max(_AT_ONCE // max(nodes, 1), 1)
    for start in range(0, slots, at_once):
        some = slice(start, start + at_once)
        parts = OwnEnergy(*(getattr(found, spec.name)[some] for spec in fields(OwnEnergy)))
        _some_slots(load_j[some], harvest_j[some], batteries.during(some), stored_j, parts)
        stored_j = parts.stored_j[-1]
    return found


def _some_slots(load: Floats, harvest: Floats, b: Batteries, stored_j: Floats, out: OwnEnergy) -> None:
    """Fill ``out`` for slots that follow ``stored_j``."""
    charge, discharge = out.charge_j, out.discharge_j
    surplus = np.subtract(harvest, load, out=out.curtailed_j)
    need = np.negative(surplus, out=out.grid_j)
    np.maximum(need, 0.0, out=need)
    np.maximum(surplus, 0.0, out=surplus)
    np.minimum(surplus, b.charge_cap_j, out=charge)
    np.minimum(need, b.discharge_cap_j, out=discharge)
    change = charge * b.charge_efficiency
    change -= np.divide(discharge, b.discharge_efficiency, out=out.green_j)
    kept = out.green_j
    _charges(change, b, stored_j, kept, out.stored_j)
    room = np.subtract(b.capacity_j, kept, out=change)
    np.maximum(room, 0.0, out=room)
    room /= b.charge_efficiency
    np.minimum(charge, room, out=charge)
    kept *= b.discharge_efficiency
    np.minimum(discharge, kept, out=discharge)
    need -= discharge
    surplus -= charge
    np.subtract(load, need, out=out.green_j)


def _charges(change: Floats, b: Batteries, stored_j: Floats, kept: Floats, stored: Floats) -> None:
    """Fill in what of the charge before each slot remains in it (``kept``), and the charge after it (``stored``);
    ``change`` is what the battery would take or give if it were neither full nor empty."""
    level, keep, capacity = stored_j, b.keep_fraction, b.capacity_j
    for now, more, after in zip(kept, change, stored, strict=True):
        np.multiply(keep, level, out=now)
        np.add(now, more, out=after)
        np.minimum(after, capacity, out=after)
        level = np.maximum(after, 0.0, out=after)
