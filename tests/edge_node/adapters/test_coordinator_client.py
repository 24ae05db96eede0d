"""Nodes on gRPC streams with the real coordinator: the same ledger as in one process, also after restarts."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coordinator.adapters.control_client import ControlClient
from edge_node.adapters import coordinator_client
from edge_node.adapters.coordinator_client import OFFLOADED_TIMEOUT_S, GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.meters.base import MeterError
from edge_node.slots.errors import NotReady
from edge_node.slots.intake import DecisionIntake
from edge_node.slots.link import LinkError
from edge_node.slots.slot import Readiness
from protos.messages.parcels import Parcel, Receipt
from protos.messages.slot import Decision
from protos.messages.stream import Heartbeat
from protos.messages.terms import Overrun
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


def test_a_node_that_dies_is_a_gap_and_its_batches_are_given_up(
    make_node: MakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator_client, "OFFLOADED_TIMEOUT_S", 0.5)
    monkeypatch.setattr(coordinator_client, "OFFLOADED_FRACTION", 0.1)
    config = coordinator_config(tmp_path, lease_s=5.0)
    with serving(config) as running, GrpcHost() as one, GrpcHost() as two:
        links = attach([one, two, two], make_nodes(make_node), running.address)
        with contextlib.closing(ControlClient(running.address)) as control:
            run_slot(control, links, 0)
            links[0].close()  # the dirty owner, decided for while its lease lasts
            control.begin_slot(1, STAGES[1], WAIT_S)
            for link in links[1:]:
                work(link, 1)
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


@pytest.mark.parametrize(
    ("awaits_reading", "overrun", "lease_s", "most_s"),
    [
        (False, None, 6.0, OFFLOADED_TIMEOUT_S),
        (False, None, 2.0, OFFLOADED_TIMEOUT_S),
        (False, None, 12.0, 10.0),
        (False, None, 60.0, 20.0),  # half of what the slot has left
        (True, Overrun.CUT, 6.0, 20.0),
    ],
)
def test_batches_are_waited_for_a_limited_time(
    awaits_reading: bool,
    overrun: Overrun | None,
    lease_s: float,
    most_s: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(coordinator_client, "time", SimpleNamespace(monotonic=lambda: 0.0))
    missing = Readiness(True, (), ("n1",), over=False, awaits_reading=awaits_reading)
    ready = Readiness(True, (), (), over=False)
    waits: list[float] = []

    class Lease:
        fenced = ended = False

        def wait_for(self, done: Callable[[], bool], timeout_s: float) -> None:
            waits.append(timeout_s)

        def check(self) -> None:
            pass

    class Node:
        node_id, config, found = "n0", SimpleNamespace(overrun=overrun), missing

        def readiness(self, slot: int) -> Readiness:
            return self.found

        def give_up_missing(self, slot: int) -> None:
            self.found = ready

    link: Any = object.__new__(GrpcLink)
    link._node, link.lease, link.attendance = Node(), Lease(), SimpleNamespace(lease_s=lease_s)
    assert link.wait_ready(0, 40.0) is ready
    assert waits[-2] == pytest.approx(most_s)
    assert waits[-1] >= 20.0


@pytest.fixture
def waiting(make_node: MakeNode) -> Iterator[tuple[Any, list[Readiness]]]:
    """A link without a coordinator, and what its node waits for: the last one counts."""
    with GrpcHost() as host:
        link: Any = GrpcLink(make_node(0), host, "127.0.0.1:1")
        link.lease.fenced = False
        found = [Readiness(True, (), ("n1",), over=False, awaits_reading=True)]

        def give_up_missing(slot: int) -> None:
            if found[-1].missing_owners:
                found.append(replace(found[-1], missing_owners=(), awaits_reading=False))

        link._node = SimpleNamespace(
            node_id="n0",
            config=SimpleNamespace(overrun=None),
            readiness=lambda slot: found[-1],
            give_up_missing=give_up_missing,
            leave=lambda: None,
        )
        yield link, found


def later(link: Any, change: Callable[[], None]) -> None:
    def happens() -> None:
        change()
        link.changed()

    threading.Timer(0.3, happens).start()


@pytest.mark.parametrize("interrupted", [False, True])
def test_prompts_that_another_node_reads_are_waited_for_as_long_as_it_reads(
    waiting: tuple[Any, list[Readiness]], interrupted: bool
) -> None:
    """Longer than the time that the decision gives, and over a time without a lease."""
    link, found = waiting
    link.lease.fenced = interrupted
    ready = Readiness(True, (), (), over=False)

    def comes() -> None:
        link.lease.fenced = False
        found.append(ready)

    later(link, comes)
    assert link.wait_ready(0, 0.05) is ready


def test_without_a_lease_prompts_are_not_waited_for_without_end(
    waiting: tuple[Any, list[Readiness]], monkeypatch: pytest.MonkeyPatch
) -> None:
    link, found = waiting
    monkeypatch.setattr("edge_node.adapters.coordinator_client.UNTOLD_S", 0.01)
    later(link, link.lease.fence)
    with pytest.raises(NotReady, match="holds no lease"):
        link.wait_ready(0, 0.05)
    link.lease.fenced = False
    found.append(Readiness(True, (), ("n1",), over=True, awaits_reading=True))
    with pytest.raises(NotReady, match="over"):
        link.wait_ready(0, 0.05)


def hand_over_all(running: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a policy decides that hands over: prompts of all batches that are sent from now on are read by their owner."""
    accept = DecisionIntake.accept

    def with_prompts(intake: Any, decision: Decision) -> list[Parcel]:
        parcels = accept(intake, decision)
        slot = intake._node.current
        guests = tuple(replace(each, handed=each.batches) for each in decision.guests)
        sends = tuple(replace(each, handed=each.batches) for each in decision.sends)
        slot.decision = replace(decision, guests=guests, sends=sends)
        running.server.service.books.slots[decision.slot].decisions[decision.node_id] = slot.decision
        for outgoing in slot.outgoing.values():
            outgoing.handed = len(outgoing.batches)
        return parcels

    monkeypatch.setattr(DecisionIntake, "accept", with_prompts)


def test_an_owner_whose_parcel_is_not_taken_is_waited_for_until_then(
    make_node: MakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over real streams: it lives and reads, and says with a heartbeat that nothing comes any more. The batches are its
    own again."""
    with serving(coordinator_config(tmp_path)) as running, GrpcHost() as one, GrpcHost() as two:
        links = attach([one, two, two], make_nodes(make_node), running.address)
        owner, prompts = links[0].node, running.server.service.prompts
        read, awaited, hear = threading.Event(), list[tuple[str, ...]](), prompts.hear

        def heard(beat: Heartbeat) -> Any:
            awaited.extend([beat.awaits] if beat.awaits else [])
            return hear(beat)

        async def lost(address: str, parcel: Parcel, timeout_s: float) -> Receipt:
            return Receipt(False, 0, f"{address} did not answer")

        def reads(parcel: Parcel) -> Parcel:
            assert read.wait(WAIT_S)
            return parcel

        monkeypatch.setattr(prompts, "hear", heard)
        monkeypatch.setattr(one, "deliver", lost)
        monkeypatch.setattr(owner, "read_ahead", reads)
        with contextlib.closing(ControlClient(running.address)) as control:
            run_slot(control, links, 0)
            hand_over_all(running, monkeypatch)
            control.begin_slot(1, STAGES[1], WAIT_S)
            with ThreadPoolExecutor(len(links)) as pool:
                waits = [pool.submit(work, link, 1, 1.0) for link in links]
                try:
                    end = time.monotonic() + WAIT_S
                    while len(awaited) < 8:  # heartbeats: longer than the second that the executor was given
                        assert time.monotonic() < end, "it waits no longer"
                        time.sleep(0.05)
                    read.set()
                    assert [each.result(WAIT_S) for each in waits] == [6, 6, 6]
                except BaseException:
                    read.set()
                    for link in links:  # else their threads wait on
                        link.close()
                    raise
            summary = control.end_slot(1, WAIT_S)
    assert (summary.executed_batches, summary.moved_batches, summary.unserved_batches) == (18, 0, 0)
    assert summary.missing_nodes == ()


@pytest.mark.parametrize("owner", ["was started again", "refused its decision"])
def test_an_owner_that_does_not_know_what_it_was_to_read_is_not_waited_for(
    owner: str, make_node: MakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds a lease, and would be waited for until the slot is closed."""
    read = threading.Event()

    def reads(parcel: Parcel) -> Parcel:
        assert read.wait(WAIT_S)
        return parcel

    def refuses(decision: Decision) -> list[Parcel]:
        raise MeterError("it cannot be read")

    with serving(coordinator_config(tmp_path)) as running, GrpcHost() as one, GrpcHost() as two:
        links = attach([one, two, two], make_nodes(make_node), running.address)
        with contextlib.closing(ControlClient(running.address)) as control:
            run_slot(control, links, 0)
            hand_over_all(running, monkeypatch)
            monkeypatch.setattr(links[0].node, "read_ahead", reads)
            if owner == "refused its decision":
                monkeypatch.setattr(links[0].node, "on_decision", refuses)
            control.begin_slot(1, STAGES[1], WAIT_S)
            with ThreadPoolExecutor(2) as pool:
                waits = [pool.submit(work, link, 1, 1.0) for link in links[1:]]
                try:
                    if owner == "was started again":
                        links[0].close()
                        again = GrpcLink(make_nodes(make_node)[0], one, running.address, "boot-again")
                        again.start()
                        again.wait_registered(WAIT_S)
                    done = [each.result(WAIT_S) for each in waits]
                finally:
                    read.set()
                    for link in links[1:] if not all(each.done() for each in waits) else ():
                        link.close()  # else their threads wait on
            assert done == [6, 6]
            assert control.end_slot(1, WAIT_S).moved_batches == 0


def test_a_node_that_reads_prompts_for_others_does_its_own_work_after_them(make_node: MakeNode) -> None:
    """However long reading takes: the time that a decision gives begins after it."""
    with GrpcHost() as host:
        link: Any = GrpcLink(make_node(0), host, "127.0.0.1:1")
        link.lease.fenced = False
        reads = Readiness(True, ("n1",), (), over=False, reads_for_others=True)
        ready = Readiness(True, (), (), over=False)
        found = [reads]
        link._node = SimpleNamespace(
            node_id="n0",
            config=SimpleNamespace(overrun=None),
            readiness=lambda slot: found[-1],
            give_up_missing=lambda slot: (),
            leave=lambda: None,
        )

        def done() -> None:
            found.append(ready)
            link.changed()

        reading = threading.Timer(0.3, done)
        reading.start()
        assert link.wait_ready(0, 0.05) is ready
        found.append(replace(reads, over=True))  # the slot was closed meanwhile
        with pytest.raises(NotReady, match="over"):
            link.wait_ready(0, 0.05)
