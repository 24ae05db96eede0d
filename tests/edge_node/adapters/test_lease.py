"""Whether a node may work: threads that wait hear of every change."""

from __future__ import annotations

import threading

import pytest

from edge_node.adapters.lease import Lease
from edge_node.slots.link import LinkError

WAIT_S = 60.0


def test_a_lease_is_lifted_and_lost() -> None:
    lease = Lease("n0")
    assert lease.fenced
    lease.lift()
    assert not lease.fenced
    lease.fence()
    assert lease.fenced
    assert not lease.ended
    lease.check()


def test_a_node_that_is_cut_off_says_why() -> None:
    lease = Lease("n0")
    lease.lift()
    lease.fail("fenced: a newer copy runs")
    assert lease.fenced
    assert lease.ended
    with pytest.raises(LinkError, match="n0 is cut off: fenced: a newer copy runs"):
        lease.check()


def test_a_link_that_is_closed_has_ended() -> None:
    lease = Lease("n0")
    lease.close()
    assert lease.ended
    with pytest.raises(LinkError, match="is closed"):
        lease.check()


@pytest.mark.parametrize("change", [Lease.lift, Lease.fence, Lease.close, lambda lease: lease.fail("why")])
def test_every_change_wakes_those_who_wait(change: object) -> None:
    assert callable(change)
    lease, waiting, changed = Lease("n0"), threading.Event(), threading.Event()

    def condition() -> bool:
        waiting.set()
        return changed.is_set()

    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(lease.wait_for(condition, WAIT_S)))
    thread.start()
    assert waiting.wait(WAIT_S)
    changed.set()
    change(lease)
    thread.join(WAIT_S)
    assert results == [True]


def test_waiting_for_what_does_not_come_ends() -> None:
    assert not Lease("n0").wait_for(lambda: False, 0.0)
    assert not Lease("n0").wait_for(lambda: False, -1.0)
