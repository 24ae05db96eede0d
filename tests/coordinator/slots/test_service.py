"""Whole slots through the service with the real ledger: what is booked, and that it is booked once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coordinator.config import LimitsConfig
from coordinator.ledger import verify
from coordinator.market.decision import Feasible, home_and_moves
from coordinator.market.pairs import Pairs
from coordinator.policies.local import rule_decision
from coordinator.slots.protocol import Effects
from protos.messages.runner import BeginSlot, EndSlot
from protos.messages.stream import Heard, Heartbeat, Heartbeats
from protos.messages.terms import Stage


def test_repeated_calls_give_the_stored_answer(bench: Any) -> None:
    bench.join()
    begin, end = BeginSlot(0, Stage.DEVELOPMENT, 1.0), EndSlot(0, 1.0, 1000, 10)
    plan = bench.coordinator.begin_slot(begin)
    assert bench.coordinator.begin_slot(begin) == plan
    summary = bench.coordinator.end_slot(end)
    before = bench.coordinator.ledger.head
    assert bench.coordinator.end_slot(end) == summary
    assert bench.coordinator.begin_slot(begin) == plan
    assert bench.coordinator.ledger.head == before
    assert all(stub.executed_twice == 0 for stub in bench.nodes.values())


def test_heartbeats_of_several_nodes_renew_the_leases_of_those_whose_streams_are_open(bench: Any) -> None:
    bench.join()
    service, session = bench.coordinator.service, bench.coordinator.sessions["n00"]
    service.sessions.close("n02", bench.coordinator.sessions["n02"])
    bench.now += 0.9 * bench.config.lease_s
    beats = [Heartbeat(node, "boot1", 0, 5) for node in ("n00", "n01", "n02", "stranger")]
    effects = service.receive("n00", session, Heartbeats(tuple(beats)))
    assert effects == Effects((), (("n00", Heard(("n00", "n01"))),))
    bench.now += 0.9 * bench.config.lease_s
    assert service.sessions.live() == ("n00", "n01")


def test_a_heartbeat_of_another_start_renews_nothing(bench: Any) -> None:
    bench.join()
    service, session = bench.coordinator.service, bench.coordinator.sessions["n00"]
    bench.now += 0.9 * bench.config.lease_s
    beats = (Heartbeat("n00", "boot1", 0, 5), Heartbeat("n01", "boot0", 0, 5))
    effects = service.receive("n00", session, Heartbeats(beats))
    assert effects.sends == (("n00", Heard(("n00",))),)
    bench.now += 0.9 * bench.config.lease_s
    assert service.sessions.live() == ("n00",)


class Saver:
    """Gives nothing in even slots and all that (D6) allows in odd ones."""

    name = "saver"

    def init(self, seed: int) -> None:
        return None

    def decide(self, fleet: Any, state: None) -> Any:
        n = fleet.size
        shift = np.roll(np.eye(n, dtype=bool), 1, axis=1)
        given = fleet.transfer_caps_j()[:, 0] * (fleet.slot % 2)
        batches = np.diag(fleet.backlog_batches.sum(axis=1))
        return rule_decision(
            fleet,
            *home_and_moves(batches),
            Feasible(None, "rule"),
            transfers=Pairs.of_matrix(shift * given[:, None]),
        ), state


@pytest.mark.parametrize("restart", [False, True])
def test_a_transfer_cap_over_the_horizon_counts_what_is_booked(
    tmp_path: Path, kit: Any, restart: bool
) -> None:
    """Unused cap is carried on, and the count survives a restart: it is in the ledger."""
    limits = LimitsConfig(net_j_per_byte=2e-6, transfer_cap_over="horizon")
    bench = kit.Bench(kit.make_config(tmp_path, limits=limits), Saver())
    bench.join()
    given, harvested = [], []
    for slot in range(4):
        if restart and slot in (1, 3):
            bench.restart()
            bench.join()
        assert "fallback" not in bench.coordinator.begin_slot(BeginSlot(slot, Stage.DEVELOPMENT, 1.0)).status
        bench.coordinator.end_slot(EndSlot(slot, 1.0, 1000, 10))
        states = bench.coordinator.service.books.nodes
        given.append(np.array([states[node].given_uj for node in bench.nodes]))
        harvested.append(np.array([states[node].harvested_uj for node in bench.nodes]))
        metered = [sum(u.harvest_uj for u in stub.usages.values()) for stub in bench.nodes.values()]
        np.testing.assert_array_equal(harvested[-1], metered)
    assert not given[0].any()
    assert not (given[2] - given[1]).any()
    # All of the cap, to the microjoule: half of what was harvested from the run's begin. The first node's battery does
    # not hold as much in the last slot.
    np.testing.assert_allclose(given[1], 0.5 * harvested[1], rtol=0, atol=1)
    np.testing.assert_allclose(given[3][1:], 0.5 * harvested[3][1:], rtol=0, atol=1)
    assert given[3][0] <= 0.5 * harvested[3][0]
    assert (given[1] > 0.6 * (harvested[1] - harvested[0])).all()  # more than half of the slot's own
    bench.close()
    assert verify(bench.config.ledger_path).ok
