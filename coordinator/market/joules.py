"""Joules beside grams in the one model: the energy that TREE divides by, as a price or as a limit.

Where all work is done, bits and tokens are given, so that TREE (T1) is highest where energy is least. The
energy of a plan is what its nodes use, (D1), green or not, and what the network uses for moved batches.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Fleet, Floats
from coordinator.market.numbers import DOMINANCE
from coordinator.market.program import Program
from coordinator.market.solve import SolverOptions, solve
from protos.trading.look_ahead import LEFT_PARTS

STEPS = 24
"""Halvings of the price's interval: a limit is met to 1e-7 of the highest price."""
DEAR = 1e4
"""Price of a joule, in highest intensities, at which grams no longer matter."""

_MOVED = ("w", "O")
"""Columns of moved batches: by pair, or as an owner gives them to the hub."""


def priced(program: Program, price_g_per_kwh: float) -> Program:
    """``program`` with every joule used, from grid, harvest or store, ``price_g_per_kwh`` dearer.

    Minimises grams + price * joules. An unserved batch becomes dearer likewise, so that no work is dropped
    to save energy.
    """
    if not price_g_per_kwh >= 0:
        raise ValueError(f"price is {price_g_per_kwh} g/kWh; allowed is >= 0")
    fleet, column = program.fleet, program.layout.columns
    unit_g_per_j = price_g_per_kwh / JOULES_PER_KWH / program.grams_per_unit
    cost = program.cost.copy()
    for name in ("g", "u"):
        cost[column[name]] += unit_g_per_j * program.joules_per_unit
    for name in _MOVED:
        if name in column:
            cost[column[name]] += unit_g_per_j * fleet.limits.net_j_per_byte * fleet.bytes_per_batch
    dearest = DOMINANCE * unit_g_per_j * _dearest_j(fleet)
    cost[column["unserved"]] += dearest
    if "left" in column:
        cost[column["left"]] += dearest / LEFT_PARTS
    return replace(program, cost=cost)


def _dearest_j(fleet: Fleet) -> float:
    """Most that a batch can cost: with its way to another node, and waking up that node."""
    radio = float(fleet.tx_j_per_byte.max() + fleet.rx_j_per_byte.max()) + fleet.limits.net_j_per_byte
    joules = float(fleet.joules_per_batch.max()) + float(fleet.bytes_per_batch.max()) * radio
    if fleet.model_j is not None:
        joules += float(fleet.model_j.max())
    if fleet.limits.may_sleep:
        joules += fleet.slot_s * float(fleet.static_w.max()) + float(fleet.wake_j.max())
    return max(joules, 1e-3)


def used_j(program: Program, values: Floats) -> float:
    """Joules that a solution of ``program`` uses over its horizon."""
    fleet, column = program.fleet, program.layout.columns
    joules = sum(float(values[column[name]].sum()) for name in ("g", "u")) * program.joules_per_unit
    for name in _MOVED:
        if name in column:
            moved_j = fleet.limits.net_j_per_byte * fleet.bytes_per_batch
            joules += float((values[column[name]] * moved_j).sum())
    return joules


def price_for(program: Program, floor_fraction: float, options: SolverOptions | None = None) -> float:
    """Lowest price in g/kWh at which the plan's TREE is at least ``floor_fraction`` of the best there is.

    TREE >= floor * best means joules <= least / floor. The price is the limit's multiplier, found by halving;
    at it the plan is the cleanest among those on the trade-off curve that keep the limit.
    """
    if not 0 < floor_fraction <= 1:
        raise ValueError(f"floor_fraction is {floor_fraction}; allowed is above 0, up to 1")
    top = DEAR * max(float(np.max(program.fleet.intensity_g_per_kwh)), 1.0)

    def joules_at(price: float) -> float | None:
        repriced = priced(program, price)
        values = solve(repriced, options).values
        return None if values is None else used_j(repriced, values)

    least, free = joules_at(top), joules_at(0.0)
    if least is None or free is None:
        return 0.0  # no plan at any price: the caller gets the reason from the solver
    limit = least / floor_fraction * (1.0 + 1e-9)
    if free <= limit:
        return 0.0
    low, high = 0.0, top
    for _ in range(STEPS):
        # Prices span many orders: halve the logarithm, and below a fifth of a gram the price itself.
        middle = (low + high) / 2.0 if high < 0.2 else float(np.sqrt(max(low, 0.1) * high))
        joules = joules_at(middle)
        if joules is not None and joules <= limit:
            high = middle
        else:
            low = middle
    return high
