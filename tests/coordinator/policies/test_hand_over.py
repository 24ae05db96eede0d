"""DAT and DETA with hand-over are DAT and DETA where work cannot be split."""

from __future__ import annotations

import pytest

from coordinator.market.instances import reference_day
from coordinator.policies.registry import make_policy


@pytest.mark.parametrize("name", ["dat", "deta"])
def test_work_that_cannot_be_split_is_decided_as_without_it(name: str) -> None:
    fleet = reference_day(6, nodes=5)
    with_it, _ = make_policy(f"{name}-hand-over").decide(fleet, None)
    without, _ = make_policy(name).decide(fleet, None)
    assert with_it.moves.equals(without.moves)
    assert with_it.transfers.equals(without.transfers)
    assert len(with_it.handed) == 0
