"""Decision for one slot, and its proven quality."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from coordinator.market.fleet import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Optimal:
    """Proven optimal (to the solver's tolerance) for the program that was asked."""

    objective_g: float


@dataclass(frozen=True, slots=True)
class Feasible:
    """Keeps every limit; at most ``gap_fraction`` above the optimum (None: no bound known, e.g. a rule)."""

    gap_fraction: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Infeasible:
    """No plan keeps these limits together; ``excess`` is the amount by which each is missed, in its own unit."""

    conflicts: tuple[str, ...]
    excess: dict[str, float] = field(default_factory=dict)


TIME_LIMIT = "time limit reached"
"""Begins the reason of every ``Feasible`` that a solver's time-out gave rise to, or stands in it: reports count it."""


Outcome = Optimal | Feasible | Infeasible


@dataclass(frozen=True)
class FleetDecision:
    """Decision for one slot and all N nodes."""

    batches: Ints
    """(N, N) batches of owner i run by executor j; the diagonal runs at home."""
    transfer_j: Floats
    """(N, N) energy leaving donor i's green bus for recipient j; diagonal 0."""
    charge_j: Floats
    """(N,) harvest to store before serving the own load; surplus is stored in any case while there is
    room."""
    discharge_j: Floats
    """(N,) most that may be drawn from the battery for load and exports."""
    awake: Bools
    """(N,) a_i."""
    outcome: Outcome
    unserved_batches: Ints
    """(N,) own batches at their deadline that no limit-keeping plan could serve: reported, never dropped
    silently."""
    selected: Bools | None = None
    """(N,) nodes chosen to take part in the round, where the policy is a client-selection rule. None: all
    awake."""
    notes: dict[str, float] = field(default_factory=dict)
    """Figures for the report, e.g. messages of a negotiation."""

    def own_batches(self) -> Ints:
        """(N,) batches each owner has run somewhere."""
        return self.batches.sum(axis=1)

    def offloaded_batches(self) -> int:
        return int(self.batches.sum() - np.trace(self.batches))
