"""The coordinator as a process, real gRPC, real node clients: ``kill -9``, leases, books."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import pytest

from coordinator.adapters.control_client import (
    ControlClient,
    CoordinatorRefusedError,
)
from coordinator.ledger import Unit, verify
from protos.messages.market import MarketCall, MarketNews
from protos.messages.terms import Stage
from tests.coordinator.adapters.process import PATIENT_S, NodeThreads, Process, books_of

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[3]
LEASE_S = 8.0
"""Of tests that wait for its end: many times the stubs' heartbeat, so that the others keep theirs on a busy machine."""


def assert_every_joule_once(process: Process, stubs: dict[str, Any]) -> None:
    """Booked energy equals the nodes' readings, node by node; so does the battery's content."""
    report = verify(process.config.ledger_path)
    assert report.ok, report.findings[:5]
    books = books_of(process.config)
    for node, stub in stubs.items():
        ended = [slot for slot, state in books.slots.items() if state.summary is not None]
        metered = sum(line.energy_uj for slot in ended for line in stub.usages[slot].lines)
        booked = sum(
            amount
            for (account, unit), amount in books.balances.items()
            if unit is Unit.MICROJOULES and account.startswith(f"node/{node}/stage/")
        )
        assert booked == metered
        assert books.battery_uj(node) == stub.battery_uj
        assert stub.executed_twice == 0


def test_run_over_grpc_and_clean_end(process: Process, nodes: NodeThreads) -> None:
    with ControlClient(process.address) as control:
        control.wait_for_nodes(3, PATIENT_S)
        for slot in range(3):
            plan = control.begin_slot(slot, Stage.DEVELOPMENT, PATIENT_S)
            assert control.begin_slot(slot, Stage.DEVELOPMENT, PATIENT_S) == plan
            summary = control.end_slot(slot, PATIENT_S, 1000, 10)
            assert len(summary.settled_nodes) == 3
            assert control.end_slot(slot, PATIENT_S) == summary
        status = control.status()
        assert (status.next_slot, status.epoch, status.pid) == (3, 1, process.popen.pid)  # type: ignore[union-attr]
        assert control.report().tokens_out > 0
        with pytest.raises(CoordinatorRefusedError) as caught:
            control.begin_slot(9, Stage.DEVELOPMENT, PATIENT_S)
        assert caught.value.code == "wrong_slot"
        with pytest.raises(CoordinatorRefusedError) as caught:
            control.report("n99")
        assert caught.value.code == "unknown_node"
    assert process.stop() == 0
    assert_every_joule_once(process, nodes.stubs)


@pytest.mark.parametrize(
    ("process", "kills"),
    [
        pytest.param({"slots": 12}, 6, id="some"),
        pytest.param({"slots": 20_000}, 1000, id="many", marks=pytest.mark.long),
    ],
    indirect=["process"],
)
def test_kill_9_at_random_moments_loses_and_doubles_nothing(
    process: Process, nodes: NodeThreads, kills: int
) -> None:
    """The runner continues by itself; every slot settles with every node, at any time of the kill."""
    chance = random.Random(7)
    done = threading.Event()
    errors: list[BaseException] = []
    struck, shot, stopped = threading.Event(), threading.Event(), threading.Event()

    def shoot() -> None:
        try:
            for _ in range(kills):
                if done.wait(chance.uniform(0.0, 0.25)):
                    break
                process.kill()
                process.start()
                struck.set()
        except BaseException as error:
            errors.append(error)
        struck.set()
        shot.set()
        stopped.wait()  # the kernel ties a child's parent-death signal to the thread that started it

    shooter = threading.Thread(target=shoot, daemon=True)
    with ControlClient(process.address, patience_s=240.0) as control:
        control.wait_for_nodes(3, PATIENT_S)
        shooter.start()
        for slot in range(len(process.config.stages)):
            if errors or (slot >= 12 and shot.is_set()):
                break
            if slot == 11:  # one kill at least is amid them
                assert struck.wait(600)
            control.begin_slot(slot, Stage.DEVELOPMENT, PATIENT_S)
            summary = control.end_slot(slot, PATIENT_S, 1000, 10)
            assert len(summary.settled_nodes) == 3, summary
            assert summary.executed_batches == 18
        done.set()
        assert not errors, errors
        assert shot.wait(600)
        control.wait_for_nodes(3, PATIENT_S)
    assert process.epoch > 1
    process.stop()
    stopped.set()
    shooter.join()
    assert_every_joule_once(process, nodes.stubs)
    assert not [n for n in verify(process.config.ledger_path).notices if "alarm" in n]


@pytest.mark.parametrize("process", [{"lease_s": LEASE_S}], indirect=True)
def test_a_dead_node_delays_the_slot_by_its_lease_at_most(
    process: Process, nodes: NodeThreads, kit: Any
) -> None:
    with ControlClient(process.address) as control:
        control.wait_for_nodes(3, PATIENT_S)
        control.begin_slot(0, Stage.DEVELOPMENT, PATIENT_S)
        nodes.kill("n01")
        summary = control.end_slot(0, PATIENT_S)
        assert summary.missing_nodes == ("n01",)
        plan = control.begin_slot(1, Stage.DEVELOPMENT, PATIENT_S)
        assert plan.lost_nodes == ("n01",)
        control.end_slot(1, PATIENT_S)
        nodes.stubs["n01"] = kit.StubNode("n01", boot_id="boot2", battery_uj=5)
        nodes.revive("n01")
        control.wait_for_nodes(3, PATIENT_S)
        control.begin_slot(2, Stage.DEVELOPMENT, PATIENT_S)
        assert control.end_slot(2, PATIENT_S).missing_nodes == ()
    process.stop()
    report = verify(process.config.ledger_path)
    assert report.ok, report.findings
    assert report.notices == ["2 unmetered node slots"]


@pytest.mark.parametrize("policy", ["auction", "admm"])
def test_a_node_that_never_answers_the_market_is_dropped_after_its_lease(
    policy: str, tmp_path: Path, kit: Any
) -> None:
    """It sends heartbeats but no answer to the market: the others trade without it, and the slot continues."""

    class Mute(kit.TradingStub):  # type: ignore[misc, name-defined]
        def handle(self, message: Any) -> list[Any]:
            return [] if isinstance(message, MarketCall | MarketNews) else list(super().handle(message))

    process = Process(kit.make_config(tmp_path, nodes=3, slots=2, policy=policy, lease_s=LEASE_S), tmp_path)
    process.start()
    stubs = [(Mute if node == "n01" else kit.TradingStub)(node) for node in process.config.node_ids]
    nodes = NodeThreads(stubs, process.address)
    try:
        with ControlClient(process.address) as control:
            control.wait_for_nodes(3, PATIENT_S)
            plan = control.begin_slot(0, Stage.DEVELOPMENT, 1.0)  # less than the lease, which counts then
            assert plan.status.startswith("rule: negotiated")
            assert {decision.node_id for decision in plan.decisions} == {"n00", "n02"}
            assert plan.lost_nodes == ("n01",)
            summary = control.end_slot(0, PATIENT_S)
            assert summary.missing_nodes == ("n01",)
            assert summary.executed_batches == 2 * kit.BATCHES
        process.stop()
        market = books_of(process.config).slots[0].market
        assert market is not None
        assert market["silent"] == ["n01"]
        assert market["up_bytes"].keys() == {"n00", "n02"}
        report = verify(process.config.ledger_path)
        assert report.ok, report.findings
    finally:
        nodes.stop()
        if process.popen is not None and process.popen.poll() is None:
            process.kill()
