"""Sessions of nodes: one stream a node, fenced by a newer one, and leases on an injected monotonic clock."""

from __future__ import annotations

from typing import Any

import pytest


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
