"""Energy that may be sent in a slot, and transfers from what each node gives and takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coordinator.market.fleet import Fleet, Floats
from coordinator.market.pairs import Transfers
from coordinator.market.wide import hub_recovery


@dataclass(frozen=True, slots=True)
class EnergyRoom:
    """Most that each node may give or has a use for in the slot, J as counted between donor and recipient (after the
    donor's loss, before the recipient's)."""

    may_give_j: Floats
    """(N,) of what (D6) allows: harvest, and what the decision lets it draw from its battery."""
    may_take_j: Floats
    """(N,) its demand."""
    out: Floats
    """(N,) the donor's efficiency."""

    @classmethod
    def of(cls, fleet: Fleet, demand_j: Floats, discharge_j: Floats) -> EnergyRoom:
        """``demand_j``: (N,) of the slot's work; ``discharge_j``: (N,) most that batteries may give."""
        one = np.ones(fleet.size)
        # Where losses are stated pair by pair they are taken at the transfer alone.
        out, into = (
            (fleet.export_efficiency, fleet.import_efficiency) if fleet.loss_fraction is None else (one, one)
        )
        drawn = np.minimum(discharge_j, deliverable_j(fleet))
        given = np.minimum(fleet.transfer_caps_j()[:, 0], fleet.harvest_j[:, 0] + drawn)
        taken = np.divide(demand_j, into, out=np.zeros_like(demand_j), where=into > 0)
        return cls(np.maximum(given, 0.0) * out, taken, out)

    def transfers(self, give_j: Floats, take_j: Floats) -> Transfers:
        """J that leave the donors' buses, of (N,) totals that agree."""
        hub = hub_recovery.fill(give_j, take_j)
        out = self.out[hub.source]
        return hub.with_amounts(np.divide(hub.amount, out, out=np.zeros_like(out), where=out > 0))


def deliverable_j(fleet: Fleet) -> Floats:
    """(N,) J that each battery can give in the slot, by its content and its power limit."""
    stored = fleet.battery_j * (1.0 - fleet.self_discharge_fraction)
    by_power = fleet.slot_s * fleet.discharge_limit_w
    found = np.minimum(stored * fleet.discharge_efficiency, by_power)
    return np.where(fleet.battery_capacity_j > 0, found, 0.0)
