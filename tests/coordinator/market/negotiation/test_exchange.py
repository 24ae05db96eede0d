"""Exchange ADMM: the local problem, the agreement, and what is said."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.market import decomposition, hub
from coordinator.market.decomposition_block import Block, Hubs, scaled
from coordinator.market.hub_lp import units_of
from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.negotiation import local_problem
from coordinator.market.negotiation.exchange import Rules, negotiate
from coordinator.market.negotiation.local_rule import local_g, local_plan
from coordinator.market.negotiation.wire import Wire


def test_half_a_percent_within_a_hundred_rounds_on_the_reference_day() -> None:
    fleet = reference_day(24)
    program, wire = hub.from_fleet(fleet), Wire(fleet)
    agreed = negotiate(program, wire, Rules(rounds=100))
    bound = decomposition.solve(program, 1e-5).bound_g
    assert agreed.converged
    assert agreed.objective_g <= bound * 1.005
    assert agreed.objective_g < local_g(program)
    assert max(hub.residuals(program, agreed.plan).values()) < 1e-9
    assert wire.messages == 2 * fleet.size * (agreed.rounds + 3)


@pytest.mark.parametrize("deadline", [0, 1])
def test_side_by_side_is_the_same_as_alone(deadline: int) -> None:
    """Solving several nodes in one array exchanges nothing between them."""
    program = hub.from_fleet(random_fleet(4, 4, 5, deadline_slots=deadline))
    units = units_of(program)
    open_ = Hubs(np.ones(5, dtype=bool), np.asarray(program.offloadable))
    rng = np.random.default_rng(3)
    aim, rho = rng.normal(0, 0.3, (10, 4)), np.ones((10, 1))
    together = local_problem.solve(Block(scaled(program, units), open_), aim, rho, 1e-8)
    for node in range(4):
        part = Block(scaled(program.take(slice(node, node + 1)), units), open_)
        alone = local_problem.solve(part, aim[:, [node]], rho, 1e-8)
        np.testing.assert_allclose(alone.trade[:, 0], together.trade[:, node], atol=1e-3)


def test_an_aim_out_of_reach_is_approached_as_far_as_it_pays() -> None:
    """One node alone, nothing to give: its trade is what it buys, never what it does not have."""
    fleet = reference_day(3, nodes=1)
    program = hub.from_fleet(fleet)
    small = scaled(program, units_of(program))
    block = Block(small, Hubs(np.ones(3, dtype=bool), np.ones(3, dtype=bool)))
    answer = local_problem.solve(block, np.full((6, 1), 5.0), np.full((6, 1), 100.0))
    export_cap = small.export_efficiency * small.export_cap_j
    assert (answer.trade[:3] <= export_cap + 1e-4).all()


def test_local_rule_keeps_every_limit_but_the_gain() -> None:
    program = hub.from_fleet(reference_day(24))
    assert max(hub.residuals(program, local_plan(program)).values()) < 1e-9
    alone = hub.from_fleet(reference_day(24), hub.Restrictions(False, False, True))
    assert decomposition.solve(alone, 1e-4).bound_g <= local_g(program)


def test_rules_are_checked() -> None:
    with pytest.raises(ValueError, match="rounds is 0"):
        Rules(rounds=0)
    with pytest.raises(ValueError, match="relaxation is 2"):
        Rules(relaxation=2.0)
