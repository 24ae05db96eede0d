"""Exchange ADMM: the node's own problem, the agreement, and the messages."""

from __future__ import annotations

import numpy as np
import pytest

from coordinator.market.instances import random_fleet, reference_day
from coordinator.market.local_plan import local_g
from coordinator.market.wide import decomposition, hub
from coordinator.negotiation.exchange import Rules, exchange_terms
from coordinator.negotiation.simulated import own_of
from coordinator.negotiation.table import Table
from coordinator.negotiation.whole_plan import agree
from protos.trading.look_ahead import LEFT_FACTOR, look_ahead


def test_half_a_percent_within_a_hundred_rounds_on_the_reference_day() -> None:
    fleet = reference_day(24)
    program = hub.from_fleet(fleet)
    agreed = agree(fleet, Rules(rounds=100))
    bound = decomposition.solve(program, 1e-5).bound_g
    assert agreed.converged
    assert agreed.objective_g <= bound * 1.005
    assert agreed.objective_g < local_g(program)
    assert max(hub.residuals(program, agreed.plan).values()) < 1e-9
    assert agreed.messages == 2 * fleet.size * (agreed.rounds + 1)


@pytest.mark.parametrize("deadline", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_nodes_that_need_not_agree_reach_the_optimum_of_living_alone(seed: int, deadline: int) -> None:
    """A node's own problem without trade has the central solver's optimum."""
    fleet = random_fleet(seed, 1, 4, deadline_slots=deadline)
    table = Table.of(fleet)
    terms = exchange_terms(table, Rules())[0]
    program = look_ahead(own_of(fleet, 0), terms)
    x = program.near.solve(np.zeros(8), np.full(8, 1e6)).x
    alone = hub.from_fleet(fleet, hub.Restrictions(False, False, True))
    central = decomposition.solve(alone, 1e-6)
    mine = float(program.near.cost @ x) * terms.unit_j * terms.unit_g_per_j
    # The two price missed work differently (each so that no energy outweighs it): grams of the rest are compared, and
    # the batches missed by themselves.
    unserved = program.part(x, "unserved") * terms.unit_batches
    price = np.full(len(unserved), terms.unserved_g)
    price[fleet.horizon :] *= LEFT_FACTOR
    missed = central.plan.unserved_batches[:, 0]
    tolerance = 1e-3 * max(float(alone.class_batches.sum()), 1.0)
    assert float(unserved.sum()) == pytest.approx(float(missed.sum()), abs=tolerance)
    theirs = central.objective_g - float((alone.unserved_g * central.plan.unserved_batches).sum())
    scale = terms.unit_j * terms.unit_g_per_j
    assert mine - float((price * unserved).sum()) == pytest.approx(theirs, rel=2e-3, abs=1e-3 * scale)


def test_rules_are_checked() -> None:
    with pytest.raises(ValueError, match="rounds is 0"):
        Rules(rounds=0)
    with pytest.raises(ValueError, match="relaxation is 2"):
        Rules(relaxation=2.0)
