"""Check of a policy's decision; the local rule replaces an invalid one, and the status says so.

Pure. What may not be broken is coordinator.policies.validate; the rule is coordinator.policies.local.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from carbon_data.own_code import place_in, place_of_method
from coordinator.market.decision import TIME_LIMIT, Feasible, FleetDecision, Infeasible, Optimal
from coordinator.market.fleet import Fleet
from coordinator.policies.base import Policy
from coordinator.policies.local import local_decision
from coordinator.policies.validate import ask, violations
from protos.messages.terms import Stage
from protos.validation import safe_text

TRAINING_STAGES = (Stage.DEVELOPMENT, Stage.RECYCLING)
"""Stages in which a client-selection rule chooses who takes part."""

LONGEST_STATUS = 400
MISSED = "missed: "
"""Begins the status of a slot whose time went by undecided: the policy was not asked, and its state is as before."""
CALIBRATED_NODES = "calibrated_nodes"
"""Note of a decision: nodes whose work was planned at costs that were measured for the task, not counted."""
REPLACED = "fallback: local rule, for "
"""Begins the status of a decision of the local rule in place of the policy's: the policy's state is the one before."""


class PolicyFailedError(ValueError):
    """A policy that cannot begin, and where its code says so."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """The policy's choice, or the local rule's in its place, ready to be adopted."""

    decision: FleetDecision
    status: str
    """``optimal``, ``feasible: ...``, ``infeasible: ...`` (work unserved), ``rule``, ``fallback: why``."""
    gap_fraction: float | None
    objective_g: float | None
    decide_s: float


def first_state(policy: Policy, seed: int) -> Any:
    """The policy's first state. Any exception of a user policy becomes a ValueError with its place."""
    try:
        return policy.init(seed)
    except Exception as error:
        raise PolicyFailedError(
            f"policy {policy.name} cannot begin: {type(error).__name__}: {error} (at {place_in(error, policy, 'init')})"
        ) from error


def choose(policy: Policy, state: Any, fleet: Fleet, clock: Callable[[], float]) -> tuple[Choice, Any]:
    """Ask the policy and check its answer. Returns the choice and the policy's next state.

    A policy that raises or breaks a limit is replaced by the local rule for this slot, and the status says
    so; its state is then the one before.
    """
    begun = clock()
    try:
        decision, following = ask(policy if fleet.points is None else _at_points(policy), fleet, state)
        broken = [str(violation) for violation in violations(fleet, decision)]
        if not broken:
            status, gap, objective = _describe(decision)
            kept = _noted(without_unselected(decision, fleet), fleet)
            return Choice(kept, safe_text(status, LONGEST_STATUS), gap, objective, clock() - begun), following
        place = place_of_method(policy, "decide")
    except Exception as error:  # user policies may raise; the slot goes on, and says so
        broken = [f"{type(error).__name__}: {error}"]
        place = place_in(error, policy, "decide")
    # The place goes first: a long list of violations is cut.
    why = f"at {place}: " + " ".join("; ".join(broken[:3]).split())
    status = f"{REPLACED}{policy.name} gave no plan that may be executed ({why})"
    return Choice(
        local_decision(fleet), safe_text(status, LONGEST_STATUS), None, None, clock() - begun
    ), state


def _noted(decision: FleetDecision, fleet: Fleet) -> FleetDecision:
    """With the number of nodes whose work was planned at calibrated costs, where there are any."""
    if fleet.calibrated is None:
        return decision
    return dataclasses.replace(
        decision, notes=decision.notes | {CALIBRATED_NODES: float(fleet.calibrated.sum())}
    )


def _at_points(policy: Policy) -> Policy:
    # Within: it brings the solver, and a coordinator serves before it has one.
    from coordinator.policies.operating_points import AtPoints

    return AtPoints(policy)


def _describe(decision: FleetDecision) -> tuple[str, float | None, float | None]:
    """(status, gap, objective) of a decision's outcome; the objective also from the notes."""
    noted = decision.notes.get("objective_g")
    objective = None if noted is None else float(noted)
    outcome = decision.outcome
    if isinstance(outcome, Optimal):
        return "optimal", 0.0, float(outcome.objective_g)
    if isinstance(outcome, Infeasible):
        return f"infeasible: {'; '.join(outcome.conflicts)}", None, objective
    assert isinstance(outcome, Feasible)
    if outcome.reason.startswith("fallback"):
        return outcome.reason, outcome.gap_fraction, objective
    solved = outcome.gap_fraction is not None or outcome.reason.startswith(TIME_LIMIT)
    name = "feasible" if solved else "rule"
    reason = "" if outcome.reason in ("", name) else f": {outcome.reason}"
    return name + reason, outcome.gap_fraction, objective


def without_unselected(decision: FleetDecision, fleet: Fleet) -> FleetDecision:
    """In training stages a node that was not selected runs nothing, and no other node runs its work. Such a
    node still lives, and its work was not missed: it was not asked for.
    """
    if decision.selected is None or fleet.stage not in TRAINING_STAGES:
        return decision
    chosen, moves = decision.selected, decision.moves
    kept = dataclasses.replace(
        decision,
        home_batches=np.where(chosen, decision.home_batches, 0),
        moves=moves.only(chosen[moves.source] & chosen[moves.target]),
    )
    missed = np.maximum(fleet.backlog_batches[:, 0] - kept.own_batches(), 0)
    return dataclasses.replace(kept, unserved_batches=np.where(chosen, missed, 0))
