"""Exchange ADMM: nodes agree on a multi-slot plan by prices, without anybody knowing another's books.

methods.md section 2, item 2. Every node stays awake. The first slot of the repaired plan is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from coordinator.market import hub, hub_recovery
from coordinator.market.fleet import Fleet
from coordinator.market.negotiation.exchange import Rules, negotiate
from coordinator.market.negotiation.local_rule import local_g
from coordinator.market.negotiation.outcome import bill_g, gap_notes, optimum_g, product_form, whole_batches
from coordinator.market.negotiation.wire import Wire
from coordinator.market.rounding import WorkLimits, clip_transfers, round_batches
from coordinator.market.window import window
from coordinator.policies.base import Feasible, FleetDecision
from coordinator.policies.local import rule_decision


@dataclass(frozen=True)
class Admm:
    """Exchange ADMM over the look-ahead. horizon: slots looked ahead at most (None: all). rounds, tolerance, rho: the
    protocol's, see negotiation.exchange.Rules. report_gap: solve the centralised program as well, to report the gap
    (the decision does not use it)."""

    horizon: int | None = None
    rounds: int = 100
    tolerance: float = 1e-3
    rho: float = 1.0
    report_gap: bool = True

    name: ClassVar[str] = "admm"
    uses_harvest: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.horizon is not None and self.horizon < 1:
            raise ValueError(f"horizon is {self.horizon}; allowed is 1 or more slots, or none")
        self._rules()

    def _rules(self) -> Rules:
        return Rules(rounds=self.rounds, tolerance=self.tolerance, rho=self.rho)

    def init(self, seed: int) -> None:
        """No state: every slot is negotiated anew."""

    def decide(self, fleet: Fleet, state: Any) -> tuple[FleetDecision, Any]:
        """Negotiate, then carry out the first slot."""
        seen = fleet if self.horizon is None else window(fleet, self.horizon)
        known, wire = product_form(seen), Wire(fleet)
        program = hub.from_fleet(known)
        agreed = negotiate(program, wire, self._rules())
        plan = hub_recovery.without_self_trade(program, agreed.plan)
        awake = np.ones(fleet.size, dtype=bool)
        moved = hub_recovery.work_flows(plan, 0).matrix(fleet.size)
        fractional = moved + np.diag(plan.own_batches[:, 0].sum(axis=0))
        batches = round_batches(fractional, WorkLimits.of(fleet, awake))
        missed = np.maximum(fleet.backlog_batches[:, 0] - batches.sum(axis=1), 0)
        if (
            missed.any()
        ):  # whole batches did not fit where the fractions did: run everything that can be run now
            batches = whole_batches(moved, fleet, awake)
        transfer_j = hub_recovery.energy_flows(program, plan, 0).matrix(fleet.size)
        notes = wire.notes() | {
            "rounds": float(agreed.rounds),
            "primal_residual": agreed.primal_residual,
            "dual_residual": agreed.dual_residual,
            "plan_objective_g": agreed.objective_g,
        }
        gap: float | None = None
        if self.report_gap:
            alone = local_g(program)
            notes |= gap_notes(agreed.objective_g, optimum_g(seen), alone, bill_g(seen))
            gap = notes.get("gap_to_optimum_fraction")
        reason = "negotiated" if agreed.converged else f"negotiated; stopped after {agreed.rounds} rounds"
        decision = rule_decision(
            fleet,
            batches,
            outcome=Feasible(None if gap is None else max(gap, 0.0), reason),
            transfer_j=clip_transfers(transfer_j, fleet),
            charge_j=plan.charge_j[0].copy(),
            discharge_j=plan.discharge_j[0].copy(),
            notes=notes,
        )
        return replace(decision, awake=awake), state
