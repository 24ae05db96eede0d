"""Batches between nodes over gRPC: one EdgePeer server per process serves all its nodes, one client calls"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import pytest

from coordinator.adapters.control_client import ControlClient
from edge_node.adapters import coordinator_client
from edge_node.adapters.host import GrpcHost
from tests.edge_node.adapters.running import (
    STAGES,
    WAIT_S,
    MakeNode,
    attach,
    coordinator_config,
    make_nodes,
    run_slot,
    serving,
    work,
)


def test_an_executor_out_of_reach_leaves_the_work_at_home(
    make_node: MakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator_client, "OFFLOADED_FRACTION", 0.0)
    with serving(coordinator_config(tmp_path)) as running, GrpcHost() as one, GrpcHost() as two:
        links = attach([one, two, two], make_nodes(make_node), running.address)
        with contextlib.closing(ControlClient(running.address)) as control:
            run_slot(control, links, 0)
            two.submit(two.peers.stop()).result(WAIT_S)  # only the peer server: the streams go on
            summary = run_slot(control, links, 1)
    assert summary.moved_batches == 0
    assert summary.executed_batches == 18
    assert summary.unserved_batches == 0


def test_a_second_decision_of_the_same_slot_moves_nothing_again(make_node: MakeNode, tmp_path: Path) -> None:
    with serving(coordinator_config(tmp_path)) as running, GrpcHost() as host:
        links = attach([host], make_nodes(make_node), running.address)
        with contextlib.closing(ControlClient(running.address)) as control:
            run_slot(control, links, 0)
            plans = [control.begin_slot(1, STAGES[1], WAIT_S) for _ in range(3)]
            assert len({dataclasses.astuple(plan) for plan in plans}) == 1
            executed = [work(link, 1) for link in links]
            summary = control.end_slot(1, WAIT_S)
            again = control.end_slot(1, WAIT_S)
    assert sum(executed) == summary.executed_batches == 18
    assert again == summary
