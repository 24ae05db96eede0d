"""LOCAL's rule over a whole look-ahead: what every node would do alone, the zero of the captured gain."""

from __future__ import annotations

from coordinator.market.instances import reference_day
from coordinator.market.local_plan import local_g, local_plan
from coordinator.market.wide import decomposition, hub


def test_local_rule_keeps_every_limit_but_the_gain() -> None:
    program = hub.from_fleet(reference_day(24))
    assert max(hub.residuals(program, local_plan(program)).values()) < 1e-9
    alone = hub.from_fleet(reference_day(24), hub.Restrictions(False, False, True))
    assert decomposition.solve(alone, 1e-4).bound_g <= local_g(program)
