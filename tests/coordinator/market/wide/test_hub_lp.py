"""The hub form as one sparse linear program for a general solver: the reference for the decomposition."""

from __future__ import annotations

from coordinator.market.instances import reference_day
from coordinator.market.wide import hub, hub_lp


def test_size_grows_linearly_with_the_nodes() -> None:
    small, large = (hub_lp.build(hub.from_fleet(reference_day(24, nodes=n)))[0] for n in (10, 40))
    assert large.matrix.nnz < 4.1 * small.matrix.nnz
