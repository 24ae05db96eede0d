"""LOCAL, "no optimisation": every node for itself, by rule. Own harvest first, surplus stored, discharged at"""

from __future__ import annotations

import numpy as np

from coordinator.market.decision import Infeasible
from coordinator.market.instances import reference_day
from coordinator.policies.local import rule_decision


def test_rule_decision_reports_missed_deadlines() -> None:
    fleet = reference_day(1, nodes=2)
    decision = rule_decision(fleet, np.zeros((2, 2), dtype=np.int64))
    assert decision.unserved_batches.tolist() == fleet.backlog_batches[:, 0].tolist()
    assert isinstance(decision.outcome, Infeasible)
