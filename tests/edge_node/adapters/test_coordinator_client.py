"""Nodes on gRPC streams with the real coordinator: the same ledger as in one process, also after restarts."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from coordinator.adapters.control_client import ControlClient
from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.slots.errors import NotReady
from edge_node.slots.link import LinkError
from tests.edge_node.adapters.running import (
    SLOTS,
    STAGES,
    WAIT_S,
    MakeNode,
    Serving,
    attach,
    coordinator_config,
    make_nodes,
    run_in_process,
    run_slot,
    serving,
    work,
)


def test_a_run_over_grpc_books_what_a_run_in_one_process_books(make_node: MakeNode, tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    expected = run_in_process(make_node, tmp_path / "local")
    with serving(coordinator_config(tmp_path)) as running, GrpcHost() as one, GrpcHost() as two:
        links = attach([one, two], make_nodes(make_node), running.address)
        with contextlib.closing(ControlClient(running.address)) as control:
            summaries = [run_slot(control, links, slot) for slot in range(SLOTS)]
    assert summaries == expected
    assert [s.executed_batches for s in summaries] == [18, 18, 6]
    assert summaries[1].moved_batches > 0
    assert all(s.settled_nodes == ("n0", "n1", "n2") and s.unserved_batches == 0 for s in summaries)


def test_a_restarted_coordinator_goes_on_with_the_same_nodes(make_node: MakeNode, tmp_path: Path) -> None:
    (tmp_path / "local").mkdir()
    expected = run_in_process(make_node, tmp_path / "local")
    with GrpcHost() as host:
        first = Serving(coordinator_config(tmp_path))
        links = attach([host], make_nodes(make_node), first.address)
        with contextlib.closing(ControlClient(first.address)) as control:
            summaries = [run_slot(control, links, 0)]
            control.begin_slot(1, STAGES[1], WAIT_S)
            for link in links:
                work(link, 1)
        first.stop()
        # Same ledger, same port: the open slot is closed, the work done in it counts once.
        with serving(coordinator_config(tmp_path, port=first.port)) as second:
            for link in links:
                link.wait_registered(WAIT_S)
            with contextlib.closing(ControlClient(second.address)) as control:
                summaries.append(run_slot(control, links, 1))
                summaries.append(run_slot(control, links, 2))
    assert summaries == expected


def test_a_node_that_dies_is_a_gap_and_its_batches_are_given_up(make_node: MakeNode, tmp_path: Path) -> None:
    config = coordinator_config(tmp_path, lease_s=5.0)
    with serving(config) as running, GrpcHost() as one, GrpcHost() as two:
        links = attach([one, two, two], make_nodes(make_node), running.address)
        with contextlib.closing(ControlClient(running.address)) as control:
            run_slot(control, links, 0)
            links[0].close()  # the dirty owner, decided for while its lease lasts
            control.begin_slot(1, STAGES[1], WAIT_S)
            for link in links[1:]:
                work(link, 1, wait_s=1.0)
            summary = control.end_slot(1, WAIT_S)
    assert summary.missing_nodes == ("n0",)
    assert set(summary.settled_nodes) == {"n1", "n2"}


def test_without_a_coordinator_waiting_ends_with_a_reason(make_node: MakeNode) -> None:
    with GrpcHost() as host:
        link = GrpcLink(make_node(0), host, "127.0.0.1:1")
        link.start()
        with pytest.raises(LinkError, match="is it up"):
            link.wait_registered(0.2)
        with pytest.raises(NotReady, match="holds no lease"):
            link.wait_ready(0, 0.1)


def test_a_node_is_attached_once_until_it_leaves(make_node: MakeNode) -> None:
    with GrpcHost() as host:
        first, second = (GrpcLink(make_node(k), host, "127.0.0.1:1") for k in range(2))
        assert first.address == second.address == host.address != ""
        with pytest.raises(LinkError, match="attached already"):
            GrpcLink(make_node(0), host, "127.0.0.1:1")
        first.close()
        first.close()
        with pytest.raises(LinkError, match="closed"):
            first.wait_registered(WAIT_S)
        again = GrpcLink(make_node(0), host, "127.0.0.1:1")
        with pytest.raises(LinkError, match="coordinator_address"):
            GrpcLink(make_node(2), host)
    assert again.lease.closed  # a host that closes ends the links of its nodes
    assert second.lease.closed
