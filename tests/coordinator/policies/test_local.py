"""LOCAL, "no optimisation": every node for itself, by rule. Own harvest first, surplus stored, discharged at"""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.market.decision import Feasible, Infeasible, Optimal, Outcome
from coordinator.market.instances import reference_day
from coordinator.policies.local import local_decision, rule_decision
from tests.coordinator.market.plans import two_nodes


def test_rule_decision_reports_missed_deadlines() -> None:
    fleet = reference_day(1, nodes=2)
    decision = rule_decision(fleet, np.zeros(2, dtype=np.int64))
    assert decision.unserved_batches.tolist() == fleet.backlog_batches[:, 0].tolist()
    assert isinstance(decision.outcome, Infeasible)


UNDONE = "(D4) all work done by its deadline"
LATE = "D7_time.edge-00 [seconds]"


@pytest.mark.parametrize(
    ("outcome", "conflicts"),
    [
        (None, (UNDONE, LATE)),
        (Optimal(1.0), (UNDONE, LATE)),
        (Feasible(0.1, "within the gap"), (UNDONE, LATE)),
        (Feasible(None, "fallback: LOCAL's rule"), (UNDONE, LATE, "fallback: LOCAL's rule")),
    ],
)
def test_what_does_not_fit_is_named_in_seconds(outcome: Outcome | None, conflicts: tuple[str, ...]) -> None:
    """Slots of 60 s hold 40 batches of 1.5 s: five of 45 are late, 7.5 s of work."""
    fleet = two_nodes(backlog_batches=np.array([[45], [3]]), seconds_per_batch=np.full((2, 1), 1.5))
    decision = local_decision(fleet, outcome)
    assert decision.batches.tolist() == [[40, 0], [0, 3]]
    assert decision.unserved_batches.tolist() == [5, 0]
    assert decision.outcome == Infeasible(conflicts, {LATE: 7.5})


def test_the_rule_moves_nothing_charges_nothing_and_discharges_what_the_load_asks_for() -> None:
    fleet = two_nodes(battery_capacity_j=np.array([70.0, 30.0]))
    decision = local_decision(fleet)
    assert decision.batches.tolist() == [[10, 0], [0, 0]]
    assert decision.transfer_j.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert decision.charge_j.tolist() == [0.0, 0.0]
    assert decision.discharge_j.tolist() == [70.0, 30.0]
    assert decision.awake.tolist() == [True, True]
    assert decision.outcome == Feasible(None, "rule")
    assert decision.selected is None
    given = Feasible(0.2, "a plan cut short")
    assert local_decision(fleet, given).outcome == given


def test_work_left_by_design_is_no_conflict() -> None:
    nothing = np.zeros(2, dtype=np.int64)
    awake = np.array([True, False])
    decision = rule_decision(two_nodes(), nothing, by_design="not selected", awake=awake)
    assert decision.outcome == Feasible(None, "not selected")
    assert decision.unserved_batches.tolist() == [10, 0]
    assert decision.awake.tolist() == [True, False]
