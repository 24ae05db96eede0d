"""The decision of a slot whose time went by while the one before overran: no work, and no policy was asked. Pure."""

from __future__ import annotations

import numpy as np

from coordinator.market.decision import Feasible, FleetDecision
from coordinator.market.fleet import Fleet
from coordinator.market.pairs import Pairs
from coordinator.policies.guard import MISSED, Choice

STATUS = f"{MISSED}its time went by while the slot before overran"


def missed_choice(fleet: Fleet) -> Choice:
    """Who slept sleeps on; surplus is stored, nothing is drawn from batteries."""
    none = np.zeros(0, dtype=np.int64)
    nothing = np.zeros(len(fleet.node_ids))
    decision = FleetDecision(
        home_batches=np.zeros(len(fleet.node_ids), dtype=np.int64),
        moves=Pairs(none, none, np.zeros(0, dtype=np.int64)),
        transfers=Pairs(none, none, np.zeros(0)),
        charge_j=nothing,
        discharge_j=nothing,
        awake=~fleet.asleep,
        outcome=Feasible(None, STATUS),
        unserved_batches=fleet.backlog_batches[:, 0],
    )
    return Choice(decision, STATUS, None, None, 0.0)
