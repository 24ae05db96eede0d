"""Parts of a running testbed are killed: the run goes on, losses are named, and the ledger stays in
order.
"""

from __future__ import annotations

import os
import signal
import socket
from datetime import UTC, datetime

import numpy as np
import pytest
from flwr.app import Context, RecordDict
from flwr.serverapp.strategy import FedAvg

from coordinator.adapters.flower_server import LearningTask, Link, RunPlan, Schedule, Watch, build_server_app
from coordinator.ledger.verify import verify
from coordinator.tables.export import ledger_tables
from edge_node.adapters.flower_records import from_record, to_record
from edge_node.serving.client import InferClient
from edge_node.tasks.evaluation import initial_parameters
from experiments.fleet.inprocess import InProcessFleet
from experiments.fleet.isolation import IsolationError, exposed, is_isolated, listeners
from experiments.fleet.ray_fleet import RayFleet
from experiments.fleet.session import open_session
from experiments.resolve.resolve import resolve
from experiments.run_folder.files import ACCESS
from experiments.runs.outside import find_target
from experiments.scenario.model import parse_scenario
from protos.messages.terms import Stage

SCENARIO = """
name = "failures"
policy = "{policy}"
[stages]
preparation = 1
development = 4
application = 2
recycling = 0
[task]
name = "mnist-mlp"
data = "digits"
batch_size = 16
batches_per_slot = 4
local_epochs = 1
[inference]
batches_per_slot = 2
[harvest]
kind = "constant"
peak_w = 2
[battery]
capacity_wh = 5
[network]
net_j_per_byte = 1e-6  # near enough for work to move
[coordinator]
heartbeat_s = 0.5
lease_s = {lease_s}
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-NE-ISNE"
[[nodes]]
zone = "US-MIDA-PJM"
[[nodes]]
zone = "US-NW-GRID"
"""
SLOTS = 7
NODES = {"n0", "n1", "n2", "n3"}


class Run:
    """A small run: ``disturb(session, slot)`` after each slot, ``ask(slot)`` before one that serves ends."""

    def __init__(self, fleet, folder, disturb=lambda session, slot: None, lease_s=120, ask=lambda slot: None):
        resolved = resolve(parse_scenario(SCENARIO.format(policy="deta", lease_s=lease_s)))
        config = resolved.coordinator_config("failures", folder / "ledger.sqlite")
        self.outcomes = []

        def on_slot(outcome):
            self.outcomes.append(outcome)
            disturb(session, outcome.slot)

        def nodes_of(address):
            return resolved.node_configs("failures", address, with_harvest=True)

        with open_session(fleet, config, folder, nodes_of) as session:
            task = LearningTask(FedAvg, lambda _: to_record(initial_parameters(resolved.task.name, 0)))
            self.schedule = Schedule(
                RunPlan(stages=resolved.stages, development=task),
                Link(
                    control=session.control,
                    numbers=session.numbers,
                    wait_s=300.0,
                    timeout_s=600.0,
                    books=session.books,
                ),
                Watch(on_slot=on_slot, before_close=ask),
            )
            context = Context(1, 1, {}, RecordDict(), {})
            build_server_app(self.schedule)(session.grid, context)
            self.restarts = list(session.restarts)
        report = verify(folder / "ledger.sqlite")
        assert report.ok, report
        assert [outcome.slot for outcome in self.outcomes] == list(range(SLOTS))

    def model(self):
        return from_record(self.schedule.record.models[Stage.DEVELOPMENT])

    def assert_whole(self):
        for outcome in self.outcomes:
            assert set(outcome.replies.answered) == NODES, outcome.replies
            assert set(outcome.summary.settled_nodes) == NODES, outcome.summary
            assert outcome.summary.executed_batches == 4 * (
                4 if outcome.stage is not Stage.APPLICATION else 2
            )


@pytest.fixture(scope="module")
def fleet():
    with RayFleet(4, processes=2) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def in_process(tmp_path_factory):
    with InProcessFleet() as fleet:
        return Run(fleet, tmp_path_factory.mktemp("in-process"))


def test_in_process_every_node_works_in_every_slot_and_work_moves(in_process):
    in_process.assert_whole()
    assert sum(outcome.summary.moved_batches for outcome in in_process.outcomes) > 0


def test_in_process_the_same_run_gives_the_same_books_and_model(in_process, tmp_path):
    with InProcessFleet() as fleet:
        again = Run(fleet, tmp_path)
    assert [o.summary for o in again.outcomes] == [o.summary for o in in_process.outcomes]
    for name, array in in_process.model().items():
        np.testing.assert_array_equal(again.model()[name], array)


def test_in_process_a_lost_node_is_a_gap_and_the_others_go_on(tmp_path):
    def lose(session, slot):
        if slot == 2:
            session.grid.lose(session.numbers["n3"])

    with InProcessFleet() as fleet:
        run = Run(fleet, tmp_path, lose)
    for outcome in run.outcomes[3:]:
        assert set(outcome.replies.answered) <= NODES - {"n3"}
        assert outcome.replies.answered
        assert set(outcome.summary.missing_nodes) == {"n3"}


@pytest.mark.processes
def test_processes_compute_what_one_process_computes(fleet, tmp_path, in_process):
    found = []

    def look(session, slot):
        if slot == 1:
            found.extend(listeners())

    run = Run(fleet, tmp_path, look)
    run.assert_whole()
    assert [o.summary for o in run.outcomes] == [o.summary for o in in_process.outcomes]
    for name, array in in_process.model().items():
        np.testing.assert_allclose(run.model()[name], array, rtol=1e-5, atol=1e-6)
    # With coordinator, batch transfer and Ray all running: nothing can be reached from outside.
    assert len(found) > 4
    assert is_isolated() or exposed(found) == []


@pytest.mark.processes
def test_outside_clients_find_every_node_in_the_folder_of_a_run_that_lasts(fleet, tmp_path):
    answered = {}

    def ask(slot):
        for node in sorted(NODES):
            target = find_target(str(tmp_path), node, tmp_path.parent)
            image = {"images": np.zeros((3, 1, 28, 28), np.uint8)}
            with InferClient(target.address, target.access, target.node_id) as client:
                answered[slot, node] = client.ask(image).node_id
        assert all(listener.loopback for listener in listeners())

    (tmp_path / "scenario.toml").write_text(SCENARIO.format(policy="deta", lease_s=120))
    Run(fleet, tmp_path, ask=ask)
    assert answered == {(slot, node): node for slot in (5, 6) for node in NODES}
    assert not (tmp_path / "addresses.json").exists()
    start = datetime(2022, 6, 21, tzinfo=UTC)
    serving = ledger_tables(tmp_path / "ledger.sqlite", start=start, trace_step_s=3600.0)["serving"]
    assert serving[["slot", "node_id", "outside_requests"]].values.tolist() == [
        [slot, node, 3] for slot in (5, 6) for node in sorted(NODES)
    ]


@pytest.mark.processes
@pytest.mark.skipif(is_isolated(), reason="nothing here is beyond loopback")
def test_a_listener_beyond_loopback_that_came_after_the_fleet_ends_the_run(fleet, tmp_path):
    with (
        socket.create_server(("0.0.0.0", 0)) as late,
        pytest.raises(IsolationError, match=f"0.0.0.0:{late.getsockname()[1]}"),
    ):
        Run(fleet, tmp_path)
    assert not (tmp_path / ACCESS).exists()


@pytest.mark.processes
def test_a_killed_node_process_does_not_end_the_run(fleet, tmp_path):
    lost = set()

    def kill_one(session, slot):
        if slot == 2:
            victim = session.processes["n1"]
            lost.update(name for name, pid in session.processes.items() if pid == victim)
            os.kill(victim, signal.SIGKILL)

    run = Run(fleet, tmp_path, kill_one, lease_s=20)
    assert lost == {"n1", "n3"}
    for outcome in run.outcomes[3:]:
        assert set(outcome.replies.answered) == NODES - lost, outcome.replies
        assert set(outcome.summary.settled_nodes) == NODES - lost
    troubled = [{*o.replies.failed, *o.replies.unreachable, *o.plan.lost_nodes} for o in run.outcomes[3:]]
    assert all(names == lost for names in troubled), troubled
    # What the lost nodes should have done is not counted as done.
    assert run.outcomes[-1].summary.executed_batches < 8


@pytest.mark.processes
def test_a_killed_coordinator_comes_back_and_the_run_goes_on(fleet, tmp_path, in_process):
    def kill_coordinator(session, slot):
        if slot == 2:
            os.kill(session.processes["coordinator"], signal.SIGKILL)

    run = Run(fleet, tmp_path, kill_coordinator)
    run.assert_whole()
    epochs = [outcome.plan.epoch for outcome in run.outcomes]
    assert epochs == [1, 1, 1, 2, 2, 2, 2]
    assert [restart.exit_code for restart in run.restarts] == [-signal.SIGKILL]
    assert [o.summary for o in run.outcomes] == [o.summary for o in in_process.outcomes]
