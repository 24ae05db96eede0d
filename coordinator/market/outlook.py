"""Expectation of the slots after a policy's decision: the days over which (D9) is computed, and hub prices.

A policy that trades values stored energy at the hub prices of a plan over all that is known, made a few times a day
(``plans_per_day``) and kept in the policy's state; one that moves work alone, by the loads of such a plan; one that
does neither, by what its nodes need themselves. Where nodes may sleep the plan says who does, for a node that sleeps
needs little of what is stored (``schedules.py``; of a large fleet the plans of slope scaling say it well enough, where
being awake is paid batch by batch, ``slopes.py``); a policy that moves nothing takes its loads from a plan too."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from carbon_data.stored_value import Days, Store, StoredValue, Trade, expected_value, linear, stored_value
from carbon_data.units import JOULES_PER_KWH
from coordinator.market.fleet import Bools, Fleet, Floats
from coordinator.market.layout import Restrictions
from coordinator.market.solve import solve_lp
from coordinator.market.wide import decomposition, hub, hub_lp
from coordinator.market.wide.schedules import search_of
from coordinator.market.wide.sleep_paths import Sleepers
from coordinator.market.wide.slopes import sloped_plans
from coordinator.market.window import product_form

LIKELY = (-(1.5**0.5), 0.0, 1.5**0.5)
"""Three equally likely values of mean 0 and variance 1, one of them the mean."""
PLANS_PER_DAY = 4
LARGE_PLANS_PER_DAY = 2
"""Of a fleet from DECOMPOSED_FROM nodes on, whose plans cost as much as its slots: two lose no more than four."""
DECOMPOSED_FROM = 60
"""Nodes from which the plan comes from the decomposition, to the gap below."""
PLAN_GAP_FRACTION = 1e-3
SCHEDULES = 12
"""Plans of the search for who sleeps. [C] What a fleet needs is known well enough long before the best schedule is."""
SLOPED, SLOPED_GAP_FRACTION = 3, 1e-2
"""Plans of slope scaling that tell it for a fleet from DECOMPOSED_FROM nodes on, and their gap. [C]"""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Hub prices and planned loads of the slots from ``slot`` on."""

    slot: int
    node_ids: tuple[str, ...]
    price_g_per_j: Floats
    """(T,) lambda(t) of a joule in the hub."""
    load_j: Floats
    """(T, N) planned right side of (D1)."""
    alone: bool = False
    """Whether neither energy nor work moves between nodes in it."""

    def holds(self, fleet: Fleet, per_day: int) -> bool:
        """Whether it still applies to ``fleet``: the same nodes, and not so long ago that the next of ``per_day`` plans
        is due."""
        age = fleet.slot - self.slot
        return self.node_ids == fleet.node_ids and 0 <= age < max(fleet.day_slots // per_day, 1)


def plans_per_day(fleet: Fleet) -> int:
    """How often a fleet of this size is planned."""
    return PLANS_PER_DAY if fleet.size < DECOMPOSED_FROM else LARGE_PLANS_PER_DAY


def plan_ahead(fleet: Fleet, restrictions: Restrictions) -> Outlook:
    """Plan all that is known of ``fleet``. Losses by pair are read as product_form does."""
    known, alone = product_form(fleet), plans_alone(fleet, restrictions)
    if fleet.size >= DECOMPOSED_FROM and known.sleepers().any():
        return _plan_with_sleep(known, restrictions, alone)
    program = hub.from_fleet(known, restrictions, awake=_expected_awake(known, restrictions))
    if fleet.size >= DECOMPOSED_FROM and not program.carries_cap:
        found = decomposition.solve(program, PLAN_GAP_FRACTION)
        loads = hub.load_j(program, found.plan)
        return Outlook(fleet.slot, fleet.node_ids, found.energy_price_g_per_j, loads, alone)
    lp, columns, units = hub_lp.build(program)
    solved = solve_lp(lp.cost, lp.matrix, lp.row_lower, lp.row_upper, lp.column_upper)
    if solved.values is None or solved.row_duals is None:
        raise ArithmeticError(f"no plan to take hub prices from; the solver said {solved.message!r}")
    prices = np.abs(solved.row_duals[hub_lp.hub_rows(program)]) * units.grams_per_j
    plan = hub_lp.plan_of(columns, units, solved.values)
    return Outlook(fleet.slot, fleet.node_ids, prices, hub.load_j(program, plan), alone)


def plans_alone(fleet: Fleet, restrictions: Restrictions) -> bool:
    """Whether neither energy nor work may move between nodes."""
    trades = restrictions.transfers and fleet.limits.transfer_cap_fraction > 0
    offloads = restrictions.offloading and fleet.limits.offload_cap_fraction > 0
    return not (trades or offloads)


def _plan_with_sleep(known: Fleet, restrictions: Restrictions, alone: bool) -> Outlook:
    """Prices and loads of the last plan of slope scaling, in which nodes that run nothing draw what they do asleep."""
    known = _capped_by_slot(known)
    sleepers = Sleepers.of(known, hub.from_fleet(known, restrictions, whole_batches=True))

    def solve(program: hub.HubProgram) -> decomposition.Certified:
        return decomposition.solve(program, SLOPED_GAP_FRACTION)

    *_, last = sloped_plans(sleepers, SLOPED, solve)
    loads = hub.load_j(last.program, last.found.plan)
    return Outlook(known.slot, known.node_ids, last.found.energy_price_g_per_j, loads, alone)


def _capped_by_slot(fleet: Fleet) -> Fleet:
    """With its transfer cap kept slot by slot, as the decomposition takes it."""
    if fleet.limits.transfer_cap_over == "slot":
        return fleet
    return replace(fleet, limits=replace(fleet.limits, transfer_cap_over="slot"))


def _expected_awake(fleet: Fleet, restrictions: Restrictions) -> Bools | None:
    """(T, N) who is awake in a good schedule of all that is known; None where no node may sleep.

    The search takes no transfer cap over the horizon: who sleeps is then looked for with the same cap slot by slot."""
    if not fleet.sleepers().any():
        return None
    fleet = _capped_by_slot(fleet)

    def solve(program: hub.HubProgram) -> decomposition.Certified:
        return decomposition.solve(program, PLAN_GAP_FRACTION)

    return search_of(fleet, restrictions, solve, PLAN_GAP_FRACTION, most_plans=SCHEDULES).best().awake


def value_after(fleet: Fleet, slots: int, outlook: Outlook | None, trades: bool = True) -> StoredValue:
    """(D9) of ``fleet``'s batteries after the first ``slots``.

    ``outlook``: planned loads, and hub prices where nodes may trade energy (``trades``). None: every node alone and
    awake, with its own work. Where nodes are alone and the forecast of harvest is uncertain: the mean over sunny,
    expected and dull days, for a plan on the forecast alone keeps energy that the sun replaces."""
    ahead = _ahead(fleet, slots)
    grams = fleet.intensity_g_per_kwh.T[ahead] / JOULES_PER_KWH
    harvest = fleet.harvest_j.T[ahead]
    if outlook is None:
        loads = _alone_j(fleet)[ahead]
    else:
        planned = _same_hours(ahead + fleet.slot - outlook.slot, len(outlook.load_j), fleet.day_slots)
        loads = outlook.load_j[planned]
    if (outlook is None or outlook.alone) and fleet.harvest_spread_fraction > 0:
        return expected_value(
            [
                stored_value(Days(loads, harvest * likely, grams), _store(fleet), _end(fleet))
                for likely in np.maximum(1.0 + fleet.harvest_spread_fraction * np.array(LIKELY), 0.0)
            ]
        )
    trade = None
    if outlook is not None and trades:
        trade = _trade(fleet, outlook.price_g_per_j[planned], harvest)
    return stored_value(Days(loads, harvest, grams), _store(fleet), _end(fleet), trade)


def _ahead(fleet: Fleet, slots: int) -> np.ndarray:
    """Columns of the fleet for every slot after the first ``slots``, up to a day beyond what is known."""
    beyond = min(fleet.later_slots, fleet.day_slots)
    return _same_hours(np.arange(slots, fleet.horizon + beyond), fleet.horizon, fleet.day_slots)


def _same_hours(slots: np.ndarray, known: int, day_slots: int) -> np.ndarray:
    """``slots`` with those beyond the ``known`` ones as the same hour of the last known day."""
    period = min(day_slots, known)
    days = np.maximum(-((known - 1 - slots) // period), 0)
    return np.asarray(slots - days * period)


def _end(fleet: Fleet) -> StoredValue:
    """Worth of what is stored after the last slot that is looked at."""
    value = fleet.stored_value_g_per_j
    if 0 < fleet.later_slots <= fleet.day_slots:
        value = np.zeros(fleet.size) if fleet.end_value_g_per_j is None else fleet.end_value_g_per_j
    return linear(_capacity_j(fleet), value)


def _capacity_j(fleet: Fleet) -> Floats:
    return np.maximum(fleet.battery_capacity_j, fleet.battery_j)


def _store(fleet: Fleet) -> Store:
    has = fleet.battery_capacity_j > 0
    return Store(
        capacity_j=_capacity_j(fleet),
        charge_efficiency=np.where(has, fleet.charge_efficiency, 1.0),
        discharge_efficiency=np.where(has, fleet.discharge_efficiency, 1.0),
        keep_fraction=1.0 - fleet.self_discharge_fraction,
        charge_cap_j=fleet.slot_s * fleet.charge_limit_w * has,
        discharge_cap_j=fleet.slot_s * fleet.discharge_limit_w * has,
    )


def _alone_j(fleet: Fleet) -> Floats:
    """(H, N) load of every node's own work, run at home as it is released."""
    batches = np.hstack([fleet.backlog_batches.sum(axis=1, keepdims=True), fleet.release_batches])
    load = fleet.slot_s * fleet.static_w[:, None] + fleet.joules_per_batch * batches
    if fleet.model_j is not None:
        load = load + fleet.model_j * (batches > 0)
    return np.ascontiguousarray(load.T)


def _trade(fleet: Fleet, price_g_per_j: Floats, harvest_j: Floats) -> Trade:
    """A node's trade at given hub prices, (T, N): what it pays and gets. It may sell a share of its harvest (D6). Where
    no node may sell, none can buy; where nodes may sell and the price is 0, nodes have more energy than they need."""
    known = product_form(fleet)
    price, into = price_g_per_j[:, None], known.import_efficiency
    caps = fleet.limits.transfer_cap_fraction * harvest_j * (known.export_efficiency > 0)
    open_ = (into > 0) & (caps.max(axis=1, keepdims=True) > 0)
    buy = np.divide(price, into, out=np.full(harvest_j.shape, np.inf), where=open_)
    return Trade(buy, price * known.export_efficiency, caps)
