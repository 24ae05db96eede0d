"""LOCAL, "no optimisation": every node for itself, by rule. Own harvest first, surplus stored, discharged at
once."""

from __future__ import annotations

from typing import Any

import numpy as np

from coordinator.market.decision import Feasible, FleetDecision, Infeasible, Outcome
from coordinator.market.fleet import Fleet, Ints
from coordinator.market.layout import Restrictions
from coordinator.market.pairs import Moves, no_moves, no_transfers
from coordinator.market.rounding import WorkLimits

BY_RULE = Restrictions(transfers=False, offloading=False, harvest=True)
"""Freedoms of a rule under which every node does its own work at home."""


class Local:
    """Runs all its own work as soon as it is there, stays awake, trades nothing."""

    name = "local"
    uses_harvest = True
    restrictions = BY_RULE

    def init(self, seed: int) -> None:
        """No state."""

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        """The rule; infeasible only when a node's own time does not suffice for its own work."""
        return local_decision(fleet), state


def local_decision(fleet: Fleet, outcome: Outcome | None = None) -> FleetDecision:
    """LOCAL's decision for this slot. ``outcome``: what to report when this replaces another policy's
    plan."""
    awake = np.ones(fleet.size, dtype=bool)
    limits = WorkLimits.of(fleet, awake)
    own = np.minimum(limits.available, limits.capacity)
    return rule_decision(fleet, own, outcome=outcome)


def rule_decision(
    fleet: Fleet,
    home_batches: Ints,
    moves: Moves | None = None,
    outcome: Outcome | None = None,
    by_design: str = "",
    **fields: Any,
) -> FleetDecision:
    """A decision that places (N,) batches at home and ``moves`` elsewhere, and treats energy as LOCAL does: charge
    nothing before the own load (surplus is stored in any case), discharge as much as the load asks for.

    ``by_design`` says why a rule leaves due work undone on purpose: it is reported unserved, but no limits
    are in conflict. ``fields`` override the rest."""
    n = fleet.size
    moves = no_moves() if moves is None else moves
    missed = np.maximum(fleet.backlog_batches[:, 0] - home_batches - moves.given(n), 0)
    if outcome is None:
        outcome = Feasible(None, by_design or "rule")
    if missed.any() and not by_design:
        outcome = _too_much(fleet, missed, outcome)
    values: dict[str, Any] = {
        "transfers": no_transfers(),
        "charge_j": np.zeros(n),
        "discharge_j": fleet.battery_capacity_j.copy(),
        "awake": np.ones(n, dtype=bool),
        "unserved_batches": missed,
    }
    return FleetDecision(home_batches=home_batches, moves=moves, outcome=outcome, **(values | fields))


def _too_much(fleet: Fleet, missed: Ints, outcome: Outcome) -> Infeasible:
    excess = {
        f"D7_time.{fleet.node_ids[i]} [seconds]": float(missed[i] * fleet.seconds_per_batch[i, 0])
        for i in np.flatnonzero(missed)
    }
    said = (
        (outcome.reason,) if isinstance(outcome, Feasible) and outcome.reason.startswith("fallback") else ()
    )
    return Infeasible(("(D4) all work done by its deadline", *excess, *said), excess)
