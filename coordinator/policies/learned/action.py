"""Three numbers a node, in -1..1, as a decision that keeps every limit.

| number | above 0 | below 0 |
|---|---|---|
| energy | share of what it may give away (D6) | share of its demand that it asks for |
| work | share of the batches that may leave (D5) | share of its free time and storage that it offers (D7) |
| battery | share of what it can deliver that may be drawn | share of its harvest that is stored before its load |

Projection: numbers are cut to -1..1. Where nodes give more than others take, or the reverse, the larger side is cut:
givers of energy and takers of work are served from the lowest intensity up, takers of energy and senders of work from
the highest down. Batches are rounded down to whole ones. Work that does not move runs at home at once, as far as the
slot's time goes; nodes stay awake. (0, 0, 1) at every node is LOCAL. Any three numbers give a decision that
policies.validate accepts; a number that is not finite raises ValueError.

Several fleets of equally many nodes may stand side by side in one (``fleets``): each then has its own order and totals,
and nothing goes from one to another, so that many worlds cost a learner little more than one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet, Floats
from coordinator.market.pairs import Transfers, no_transfers
from coordinator.market.physics import demand_j
from coordinator.policies.learned.energy import EnergyRoom, deliverable_j
from coordinator.policies.learned.work import WorkRoom
from coordinator.policies.local import rule_decision

T = TypeVar("T", np.int64, np.float64)

ENERGY, WORK, BATTERY = range(3)
ACTIONS = 3
"""Numbers of a node."""


def checked(action: NDArray[np.floating], fleet: Fleet, numbers: int = ACTIONS) -> Floats:
    """``action`` as (N, ``numbers``) within -1..1. Raises ValueError for another size or what is not finite."""
    values = np.asarray(action, dtype=np.float64)
    if values.size != fleet.size * numbers or not np.isfinite(values).all():
        raise ValueError(
            f"action of shape {values.shape}, {int((~np.isfinite(values)).sum())} not finite; allowed are "
            f"{numbers} finite numbers for each of {fleet.size} nodes"
        )
    return np.clip(values.reshape(fleet.size, numbers), -1.0, 1.0)


def decision_of(
    fleet: Fleet, action: NDArray[np.floating], room: WorkRoom | None = None, fleets: int = 1
) -> FleetDecision:
    """The decision of (N, 3) ``action`` for the slot of ``fleet``. ``room``: of the same slot and ``fleets``, where it
    is known. ``fleets``: of equally many nodes, one after the other, that exchange nothing. Raises ValueError as
    ``checked``."""
    values = checked(action, fleet)
    order = _Order.of(fleet, fleets)
    room = WorkRoom.of(fleet, fleets) if room is None else room
    send, take = room.shares(values[:, WORK])
    total = _both(send, take, fleets)
    home, moves = room.placed(cut(send, total, order.dirty), cut(take, total, order.clean))
    decision = with_battery(fleet, rule_decision(fleet, home, moves), values[:, BATTERY])
    return with_energy(decision, _transfers(fleet, decision, values[:, ENERGY], order, fleets))


def with_battery(fleet: Fleet, decision: FleetDecision, share: Floats) -> FleetDecision:
    """``decision`` with the battery of ``share`` in -1..1. 1: LOCAL's, without a limit of its own."""
    drawn = np.where(share >= 1.0, fleet.battery_capacity_j, np.maximum(share, 0.0) * deliverable_j(fleet))
    stored = np.maximum(-share, 0.0) * fleet.harvest_j[:, 0]
    return _with(decision, charge_j=stored, discharge_j=drawn)


def with_energy(decision: FleetDecision, transfers: Transfers) -> FleetDecision:
    """``decision`` with ``transfers``."""
    return _with(decision, transfers=transfers)


def energy_room(fleet: Fleet, decision: FleetDecision) -> EnergyRoom:
    """Room for transfers around the work and the batteries of ``decision``."""
    return EnergyRoom.of(fleet, demand_j(fleet, decision), decision.discharge_j)


def cut(amount: NDArray[T], total: float | NDArray[T], order: NDArray[np.int64]) -> NDArray[T]:
    """(N,) ``amount`` of which ``total`` remains: nodes are served in ``order``. ``total``: one, or (fleets,) of fleets
    side by side, whose nodes come one fleet after the other in ``order``."""
    totals = np.reshape(total, (-1, 1))
    served = amount[order].reshape(len(totals), -1)
    before = np.cumsum(served, axis=1) - served
    found = np.empty_like(amount)
    found[order] = np.clip(totals - before, 0, served).ravel()
    return found


@dataclass(frozen=True, slots=True)
class _Order:
    """Nodes fleet after fleet, (N,), by their intensity now."""

    clean: NDArray[np.int64]
    """Lowest first."""
    dirty: NDArray[np.int64]
    """Highest first."""

    @classmethod
    def of(cls, fleet: Fleet, fleets: int) -> _Order:
        now = fleet.intensity_g_per_kwh[:, 0].reshape(fleets, -1)
        clean = np.argsort(now, axis=1, kind="stable") + now.shape[1] * np.arange(fleets)[:, None]
        return cls(clean.ravel(), clean[:, ::-1].ravel())


def _both(give: NDArray[T], take: NDArray[T], fleets: int) -> NDArray[T]:
    """(fleets,) what is both given and taken in each."""
    given, taken = (amount.reshape(fleets, -1).sum(axis=1) for amount in (give, take))
    return np.minimum(given, taken)


def _transfers(fleet: Fleet, decision: FleetDecision, share: Floats, order: _Order, fleets: int) -> Transfers:
    if not ((share > 0).any() and (share < 0).any()):
        return no_transfers()
    room = energy_room(fleet, decision)
    give, take = np.maximum(share, 0.0) * room.may_give_j, np.maximum(-share, 0.0) * room.may_take_j
    total = _both(give, take, fleets)
    if total.sum() <= 0.0:
        return no_transfers()
    return room.transfers(cut(give, total, order.clean), cut(take, total, order.dirty))


def _with(decision: FleetDecision, **changes: object) -> FleetDecision:
    """As dataclasses.replace, which costs more here than what it replaces."""
    found = object.__new__(FleetDecision)
    found.__dict__.update(decision.__dict__, **changes)
    return found
