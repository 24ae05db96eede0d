"""Sessions of nodes: one stream a node, fenced by a newer one, and leases on an injected monotonic clock."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.slots.sessions import Sessions


def test_new_stream_fences_the_old_one(bench: Any) -> None:
    bench.join()
    service, stub = bench.coordinator.service, bench.nodes["n00"]
    old = bench.coordinator.sessions["n00"]
    bench.join("n00")
    assert not service.sessions.is_current("n00", old)
    from coordinator.slots.protocol import Refused

    with pytest.raises(Refused) as caught:
        service.receive("n00", old, stub.telemetry(0))
    assert caught.value.refusal.code == "fenced"


def test_superseded_start_of_a_node_may_not_come_back(bench: Any) -> None:
    bench.join()
    old = bench.nodes["n00"].register()
    bench.nodes["n00"] = type(bench.nodes["n00"])("n00", boot_id="boot2")
    bench.join("n00")
    bench.coordinator.receive("n00", old)
    assert bench.nodes["n00"].refusals[-1].code == "stale_boot"


def test_leases_run_on_the_clock_and_streams_are_fenced_by_number() -> None:
    now = [100.0]
    sessions = Sessions(["a", "b", "c"], ["b"], 10.0, lambda: now[0])
    assert sessions.live() == ("b",)  # known before a restart: one lease to come back in
    assert sessions.next_expiry() == 110.0
    now[0] = 104.0
    assert [sessions.open("c"), sessions.open("a")] == [1, 2]
    assert sessions.live() == ("a", "b", "c")
    assert sessions.is_current("c", 1)
    assert not sessions.is_current("c", 2)
    assert not sessions.is_current("b", 1)
    now[0] = 108.0
    sessions.renew("c")
    sessions.close("a", 1)  # not the stream it has
    assert sessions.is_current("a", 2)
    sessions.close("b", 7)
    assert [sessions.is_open(node) for node in ("a", "b", "c")] == [True, False, True]
    sessions.close("a", 2)
    assert not sessions.is_current("a", 2)
    assert [sessions.is_open(node) for node in ("a", "b", "c")] == [False, False, True]
    assert sessions.live() == ("a", "b", "c")  # the lease runs on
    now[0] = 110.0
    assert sessions.live() == ("a", "c")
    assert sessions.next_expiry() == 114.0
    now[0] = 114.0
    assert (sessions.live(), sessions.next_expiry()) == (("c",), 118.0)
    assert sessions.open("a") == 3
    now[0] = 124.0
    assert (sessions.live(), sessions.next_expiry()) == ((), float("inf"))


def test_a_lease_that_has_just_ended_is_not_the_next_to_end() -> None:
    now = [0.0]
    sessions = Sessions(["a", "b"], [], 5.0, lambda: now[0])
    assert sessions.next_expiry() == float("inf")
    sessions.open("a")
    now[0] = 1.0
    sessions.open("b")
    now[0] = 5.0
    assert sessions.live() == ("b",)
    assert sessions.next_expiry() == 6.0


def test_a_node_that_may_still_come_back_to_a_restarted_coordinator_has_not_come() -> None:
    now = [0.0]
    sessions = Sessions(("a", "b"), ("a", "b"), 6.0, lambda: now[0])
    assert (sessions.live(), sessions.came()) == (("a", "b"), ())
    sessions.open("b")
    assert sessions.came() == ("b",)
    now[0] = 7.0
    assert sessions.came() == ()
