"""The same houses by programs of their own, written from the equations: the check on what the testbed computes.

Nothing of ``coordinator`` is used, units are kWh, variables are others: a house's load met directly from the panels is
no variable of the testbed's programs, and its (D1) and (D2) are none of these. Numbers in brackets are those of
methods.md, section 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

Floats = NDArray[np.float64]


def without_battery_g(load_kwh: Floats, pv_kwh: Floats, grams: Floats) -> float:
    """Grams of houses that use what their panels give at the moment, and waste the rest. ``grams``: (T,) g/kWh."""
    return float((grams * np.maximum(load_kwh - pv_kwh, 0.0)).sum())


def self_consumption_g(
    load_kwh: Floats, pv_kwh: Floats, grams: Floats, capacity_kwh: Floats, power_kw: Floats, one_way: float
) -> float:
    """Grams of houses whose batteries take what is left over, and give it back as soon as it is missing."""
    stored, total = np.zeros(len(load_kwh)), 0.0
    for hour, g_per_kwh in enumerate(grams):
        over = pv_kwh[:, hour] - load_kwh[:, hour]
        taken = np.minimum(np.minimum(np.maximum(over, 0.0), power_kw), (capacity_kwh - stored) / one_way)
        given = np.minimum(np.minimum(np.maximum(-over, 0.0), power_kw), stored * one_way)
        stored = stored + one_way * taken - given / one_way
        total += float(g_per_kwh) * float((np.maximum(-over, 0.0) - given).sum())
    return total


def alone_g(
    load_kwh: Floats, pv_kwh: Floats, grams: Floats, capacity_kwh: float, power_kw: float, one_way: float
) -> float:
    """Fewest grams of one house, (T,), that knows the future: (D1) to (D3) with u = direct + discharge.

    Variables: direct use, charge, discharge, stored. direct + charge <= panels: the grid charges no battery."""
    hours = len(grams)
    one, none = sparse.identity(hours, format="csc"), sparse.csc_matrix((hours, hours))
    balance = sparse.hstack([none, -one_way * one, one / one_way, _steps(hours)])
    within = sparse.vstack([sparse.hstack([one, one, none, none]), sparse.hstack([one, none, one, none])])
    saved = _least(
        -np.concatenate([grams, np.zeros(hours), grams, np.zeros(hours)]),
        [(within, np.concatenate([pv_kwh, load_kwh]))],
        [(balance, np.zeros(hours))],
        np.repeat([np.inf, power_kw, power_kw, capacity_kwh], hours),
    )
    return float(grams @ load_kwh) + saved


def exchange_g(
    load_kwh: Floats,
    pv_kwh: Floats,
    grams: Floats,
    capacity_kwh: Floats,
    power_kw: Floats,
    one_way: float,
    *,
    loss_fraction: float = 0.0,
    own_harvest_only: bool = False,
) -> float:
    """Fewest grams of N houses that know the future and send each other what their panels and batteries give.

    Variables (N, T): use, charge, discharge, stored, sent, received. ``own_harvest_only``: (D6) over the run with
    b_h = 1, so that no house has sent at any time more than its panels had given until then; a seventh block is what it
    might still send."""
    n, hours = load_kwh.shape
    size = n * hours
    blocks = 7 if own_harvest_only else 6
    use, charge, discharge, stored, sent, received, unsent = range(7)
    one = sparse.identity(size, format="csc")
    steps = sparse.block_diag([_steps(hours)] * n, format="csc")
    every_hour = sparse.hstack([sparse.identity(hours, format="csc")] * n, format="csc")

    def rows(count: int, terms: dict[int, Any]) -> sparse.csc_matrix:
        none = sparse.csc_matrix((count, size))
        return sparse.hstack([terms.get(block, none) for block in range(blocks)], format="csc")

    # Panels, battery and neighbours give at least what a house uses, stores and sends; the rest is wasted.
    green = rows(size, {use: one, charge: one, discharge: -one, sent: one, received: -one})
    equal = [
        (rows(size, {charge: -one_way * one, discharge: one / one_way, stored: steps}), np.zeros(size)),
        (rows(hours, {sent: (1.0 - loss_fraction) * every_hour, received: -every_hour}), np.zeros(hours)),
    ]
    tops = [
        load_kwh.ravel(),
        np.repeat(power_kw, hours),
        np.repeat(power_kw, hours),
        np.repeat(capacity_kwh, hours),
        *[np.full(size, np.inf)] * (blocks - 4),
    ]
    if own_harvest_only:
        equal.append((rows(size, {sent: one, unsent: steps}), pv_kwh.ravel()))
    cost = np.zeros(blocks * size)
    cost[:size] = -np.tile(grams, n)
    saved = _least(cost, [(green, pv_kwh.ravel())], equal, np.concatenate(tops))
    return float((grams * load_kwh).sum()) + saved


def pooled_g(
    load_kwh: Floats, pv_kwh: Floats, grams: Floats, capacity_kwh: Floats, power_kw: Floats, one_way: float
) -> float:
    """Fewest grams of N houses that share what panels and batteries give, without loss or limit, and know the future.

    Every house keeps its battery: charge, discharge and stored, (N, T); the pool uses (T,)."""
    n, hours = load_kwh.shape
    size = n * hours
    one, each = sparse.identity(size, format="csc"), sparse.identity(hours, format="csc")
    every = sparse.hstack([each] * n, format="csc")
    steps = sparse.block_diag([_steps(hours)] * n, format="csc")
    pool = sparse.hstack([each, every, -every, sparse.csc_matrix((hours, size))], format="csc")
    store = sparse.hstack(
        [sparse.csc_matrix((size, hours)), -one_way * one, one / one_way, steps], format="csc"
    )
    tops = [
        load_kwh.sum(axis=0),
        np.repeat(power_kw, hours),
        np.repeat(power_kw, hours),
        np.repeat(capacity_kwh, hours),
    ]
    cost = np.concatenate([-grams, np.zeros(3 * size)])
    saved = _least(cost, [(pool, pv_kwh.sum(axis=0))], [(store, np.zeros(size))], np.concatenate(tops))
    return float((grams * load_kwh).sum()) + saved


def _steps(hours: int) -> sparse.csc_matrix:
    """What is stored after each hour less what was before; nothing is at first."""
    return sparse.diags([np.ones(hours), -np.ones(hours - 1)], [0, -1], format="csc")


def _least(
    cost: Floats,
    at_most: Sequence[tuple[sparse.csc_matrix, Floats]],
    equal: Sequence[tuple[sparse.csc_matrix, Floats]],
    tops: Floats,
) -> float:
    """Smallest cost'x with 0 <= x <= tops. Raises ArithmeticError where the solver proves no optimum."""
    found = linprog(
        cost,
        A_ub=sparse.vstack([matrix for matrix, _ in at_most], format="csc"),
        b_ub=np.concatenate([right for _, right in at_most]),
        A_eq=sparse.vstack([matrix for matrix, _ in equal], format="csc"),
        b_eq=np.concatenate([right for _, right in equal]),
        bounds=np.column_stack([np.zeros_like(tops), tops]),
        method="highs",
    )
    if found.status != 0:
        raise ArithmeticError(f"no optimum; the solver said {found.message!r}")
    return float(found.fun)
