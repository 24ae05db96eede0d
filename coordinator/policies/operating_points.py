"""Any policy on boards whose clock is chosen (DVFS): which operating point each node runs at in the slot.

A policy that solves the model gets the points from the model itself, with work and energy in one program
(coordinator.market.point_program), and plans whole batches at them. Every other policy places its batches as it always
does. Then each node takes the point with the fewest joules that leaves time for its batches.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from coordinator.market.decision import FleetDecision
from coordinator.market.fleet import Fleet, Ints
from coordinator.market.operating_points import at_points, best_points
from coordinator.market.point_program import joint_points
from coordinator.market.program import build
from coordinator.policies.base import Policy
from coordinator.policies.optimised import ModelPolicy

MOST_NODES = 32
"""Up to which points and work are planned in one program; beyond, and wherever it finds no plan, by turns."""
TURNS = 3
"""How often a plan is made for the points of the plan before it. Each has no more grams than the one before."""
SLOWED = "slowed_nodes"
"""Note of a decision: nodes that do not run at full speed."""


class AtPoints:
    """``policy`` with operating points."""

    def __init__(self, policy: Policy) -> None:
        self.name = policy.name
        self._policy = policy

    def init(self, seed: int) -> Any:
        """As the policy's."""
        return self._policy.init(seed)

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        """The policy's decision, with ``points``."""
        chosen = np.zeros(fleet.size, dtype=np.int64)
        if not isinstance(self._policy, ModelPolicy):
            decision, following = self._policy.decide(at_points(fleet, chosen), state)
            return _with(decision, best_points(fleet, decision)), following
        chosen = self._joint(fleet, state, chosen)
        for _ in range(TURNS):
            decision, following = self._policy.decide(at_points(fleet, chosen), state)
            found = best_points(fleet, decision)
            if (found == chosen).all():
                break
            chosen = found
        return _with(decision, found), following

    def _joint(self, fleet: Fleet, state: Any, full: Ints) -> Ints:
        """Points of the program in which work and points are chosen together."""
        policy = self._policy
        assert isinstance(policy, ModelPolicy)
        if fleet.points is None or fleet.size > MOST_NODES or not fleet.backlog_batches.any():
            return full
        known = at_points(fleet, full)
        decided, value = policy.ahead(known, policy.follow(known, state))
        program = build(decided, policy.restrictions, whole_batches=True, stored_value=value)
        plan = joint_points(program, fleet.points)
        return full if plan is None else plan.points


def _with(decision: FleetDecision, points: Ints) -> FleetDecision:
    notes = decision.notes | {SLOWED: float((points > 0).sum())}
    return replace(decision, points=points, notes=notes)
