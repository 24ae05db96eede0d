"""The Ray fleet for real, with echo nodes: one Ray for the whole file, because its start is expensive."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import ray
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

from edge_node.adapters.node_host import process_environment
from experiments.fleet.isolation import exposed, is_isolated, listeners, process_tree
from experiments.fleet.ray_fleet import CALLS_AT_ONCE, SHARED_CALL_BYTES, RayFleet, shared
from experiments.fleet.ray_local import ANSWER_BYTES
from tests.experiments.children import children

pytestmark = pytest.mark.processes


def train_messages(grid, group, nodes=None, **config):
    arrays = ArrayRecord([np.arange(100_000, dtype=np.float32)])
    return [
        Message(
            RecordDict({"arrays": arrays, "config": ConfigRecord(config)}),
            dst_node_id=number,
            message_type="train",
            group_id=group,
        )
        for number in (grid.get_node_ids() if nodes is None else nodes)
    ]


def runs(replies):
    return {r.metadata.src_node_id: r.content["metrics"]["runs"] for r in replies if r.has_content()}


def shares(fleet, one, other):
    """Whether two nodes have one process."""
    return fleet.pids()[one] == fleet.pids()[other]


def environment():
    return {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}


@pytest.fixture(scope="module")
def warm(echo):
    before = environment()
    with RayFleet(4, processes=2, preload=("flwr.clientapp",)) as fleet:
        yield fleet
    assert environment() == before
    assert not ray.is_initialized()


@pytest.fixture
def fleet(warm, echo, node_configs):
    warm.reset(node_configs(4), builder=echo)
    return warm


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_default_start_is_reachable_from_this_machine_only(fleet):
    found = listeners()
    assert {"gcs_server", "raylet"} <= {listener.process for listener in found}
    assert is_isolated() or exposed(found) == []


def test_the_first_coordinator_waits_with_the_environment_of_the_fleet(warm):
    (waiting,) = [
        child
        for child, line in children()
        if "experiments.fleet.spawn" in " ".join(line) and "coordinator" in line
    ]
    assert {**process_environment(), "RAY_AUTH_MODE": "token"}.items() <= waiting.environ().items()


def test_the_token_is_random_and_ours_alone(fleet):
    assert os.environ["RAY_AUTH_MODE"] == "token"
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text()) == 64
    assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700
    (ours,) = (path for path in token.parent.iterdir() if path != token)
    assert ray._private.worker._global_node.get_temp_dir_path() == str(ours)


def test_told_to_end_it_leaves_nothing_behind(fleet, tmp_path):
    code = """
import os, sys, time
from experiments.fleet.isolation import process_tree
from experiments.fleet.ray_fleet import RayFleet
with RayFleet(1, preload=("json",)):
    print(os.environ["RAY_AUTH_TOKEN_PATH"], *process_tree()[1:], flush=True)
    time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        token, *pids = child.stdout.readline().split()
        assert len(pids) > 3
        child.terminate()
        _, err = child.communicate(timeout=600)
    assert child.returncode == 128 + signal.SIGTERM, err
    assert not Path(token).parent.exists()
    end = time.monotonic() + 300  # Ray's own children end by themselves when they miss their parent
    while left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < end, left
        time.sleep(0.05)


def test_without_the_token_ray_refuses(fleet):
    address = ray.get_runtime_context().gcs_address
    code = f"""
import ray
from ray._raylet import GcsClient
GcsClient(address={address!r})
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environment |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "0" * 64,
        "RAY_gcs_rpc_server_connect_timeout_s": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode != 0
    assert "AuthenticationError" in done.stderr


def test_every_node_answers_from_its_process(fleet):
    replies = fleet.grid.send_and_receive(train_messages(fleet.grid, "slot-0"), timeout=300)
    pids = fleet.pids()
    assert {r.metadata.src_node_id: int(r.content["metrics"]["pid"]) for r in replies} == {
        fleet.numbers[node_id]: pid for node_id, pid in pids.items()
    }
    assert len(set(pids.values())) == 2
    assert set(pids.values()) <= set(process_tree())
    for reply in replies:
        (array,) = reply.content["arrays"].to_numpy_ndarrays()
        np.testing.assert_array_equal(array, np.arange(100_000, dtype=np.float32))


def test_an_answer_below_the_limit_comes_without_the_object_store(fleet):
    """400 kB of an answer, which Ray by itself would put into its store."""
    assert ANSWER_BYTES > 500_000
    grid = fleet.grid
    (sent,) = grid.push_messages(train_messages(grid, "slot-0", nodes=[fleet.numbers["n0"]]))
    ((call,),) = grid._pending.values()
    ray.wait([call.reference], timeout=300)
    (where,) = ray.experimental.get_object_locations([call.reference]).values()
    assert where["node_ids"] == []
    assert runs(grid.pull_messages([sent])) == {fleet.numbers["n0"]: 1}


def test_the_same_processes_serve_several_runs(fleet, echo, node_configs):
    before = fleet.pids()
    assert set(runs(fleet.grid.send_and_receive(train_messages(fleet.grid, "slot-0"))).values()) == {1}
    fleet.reset(node_configs(4, run_id="second"), builder=echo)
    assert fleet.pids() == before
    assert set(runs(fleet.grid.send_and_receive(train_messages(fleet.grid, "slot-0"))).values()) == {1}


def test_what_nodes_log_is_kept_with_the_run_and_nothing_else(fleet, echo, node_configs, tmp_path):
    fleet.reset(node_configs(4), builder=echo, logs=tmp_path)
    fleet.grid.send_and_receive(train_messages(fleet.grid, "slot-0", fail="n1"))
    fleet.release()
    (log,) = tmp_path.iterdir()
    assert log.name == "nodes-1.log", "the other process had nothing to say"
    assert "n1: train failed" in log.read_text()
    assert 'raise RuntimeError("told to fail")' in log.read_text()


def test_messages_to_a_process_of_many_nodes_share_calls():
    def messages(count, floats):
        arrays = ArrayRecord([np.zeros(floats, dtype=np.float32)])
        return [Message(RecordDict({"arrays": arrays}), number, "train") for number in range(2, count + 2)]

    few = messages(CALLS_AT_ONCE, 10)
    assert shared(few) == [[message] for message in few]
    assert shared(few, 10) == [few[k : k + 4] for k in range(0, CALLS_AT_ONCE, 4)]
    many = messages(10 * CALLS_AT_ONCE, 10)
    calls = shared(many)
    assert len(calls) == CALLS_AT_ONCE
    assert [message for call in calls for message in call] == many
    assert {len(call) for call in shared(messages(10 * CALLS_AT_ONCE, SHARED_CALL_BYTES // 8 - 100))} == {2}
    assert {len(call) for call in shared(messages(10 * CALLS_AT_ONCE, SHARED_CALL_BYTES // 2))} == {1}


def test_nodes_that_share_a_call_answer_each_for_itself(fleet, monkeypatch):
    grid = fleet.grid
    monkeypatch.setattr(grid, "_most_calls", 1)
    ids = grid.push_messages(train_messages(grid, "slot-0", fail="n1"))
    assert {len(call.messages) for calls in grid._pending.values() for call in calls} == {2}
    replies = []
    end = time.monotonic() + 300
    while len(replies) < len(ids):
        assert time.monotonic() < end
        replies += grid.pull_messages(ids[-1:] if not replies else ids)
        time.sleep(0.01)
    (error,) = [reply.error.reason for reply in replies if reply.has_error()]
    assert error.startswith("n1: RuntimeError: told to fail")
    assert runs(replies) == dict.fromkeys(set(fleet.numbers.values()) - {fleet.numbers["n1"]}, 1)
    assert {reply.metadata.reply_to_message_id for reply in replies} == set(ids)


def test_a_killed_process_loses_all_nodes_of_a_shared_call(fleet, monkeypatch):
    grid, victim = fleet.grid, fleet.pids()["n0"]
    monkeypatch.setattr(grid, "_most_calls", 1)
    lost = {fleet.numbers[node_id] for node_id, pid in fleet.pids().items() if pid == victim}
    ids = grid.push_messages(train_messages(grid, "slot-0", slow="n2", **{"sleep-s": 600.0}))
    os.kill(victim, signal.SIGKILL)
    replies = []
    while len(replies) < len(ids):
        replies += grid.pull_messages(ids)
        time.sleep(0.05)
    assert {reply.metadata.src_node_id for reply in replies if reply.has_error()} == lost
    assert grid.lost_nodes() == lost


def test_an_exception_of_one_node_is_its_own(fleet):
    replies = fleet.grid.send_and_receive(train_messages(fleet.grid, "slot-0", fail="n1"))
    (error,) = [r.error.reason for r in replies if r.has_error()]
    assert error.startswith("n1: RuntimeError: told to fail (at ")
    assert len(runs(replies)) == 3


def test_a_late_reply_is_counted_and_dropped_and_its_work_not_repeated(fleet, tmp_path):
    """The slow node answers only when the gate is open, so that it is late on any machine; under load others may be
    late."""
    slow, gate = fleet.numbers["n3"], tmp_path / "gate"  # the last of its process
    message = train_messages(fleet.grid, "slot-0", slow="n3", gate=str(gate))
    answered = runs(fleet.grid.send_and_receive(message, timeout=0.5))
    assert slow not in answered
    assert slow in fleet.grid.overdue_nodes()
    gate.touch()
    again = runs(fleet.grid.send_and_receive(train_messages(fleet.grid, "slot-0"), timeout=300))
    assert again == dict.fromkeys(fleet.numbers.values(), 1)
    assert fleet.grid.late_replies == len(again) - len(answered)
    assert fleet.grid.overdue_nodes() == set()


def test_what_nodes_remember_is_waited_for_unless_they_are_overdue(fleet, monkeypatch, tmp_path):
    monkeypatch.setattr("experiments.fleet.ray_fleet.AT_WORK_S", 0.0)
    monkeypatch.setattr("experiments.fleet.ray_fleet.MEMORIES_S", 600.0)
    assert fleet.memories().keys() == fleet.numbers.keys()
    gate = tmp_path / "gate"
    message = train_messages(fleet.grid, "slot-0", [fleet.numbers["n3"]], slow="n3", gate=str(gate))
    assert fleet.grid.send_and_receive(message, timeout=0.0) == []
    assert fleet.memories().keys() == {
        node_id for node_id in fleet.numbers if not shares(fleet, node_id, "n3")
    }
    gate.touch()


def test_a_killed_process_loses_only_its_own_nodes(fleet, echo, node_configs, capfd):
    victim = fleet.pids()["n0"]
    lost = {fleet.numbers[node_id] for node_id, pid in fleet.pids().items() if pid == victim}
    # Both processes are at work on their last node when one is killed.
    grid = fleet.grid
    ids = grid.push_messages(train_messages(grid, "slot-0", slow="n2", **{"sleep-s": 600.0}))
    os.kill(victim, signal.SIGKILL)
    replies = []
    while len(replies) < len(ids):
        replies += grid.pull_messages(ids)
        time.sleep(0.05)
    assert {r.metadata.src_node_id for r in replies if r.has_error()} >= {fleet.numbers["n2"]}
    assert {r.metadata.src_node_id for r in replies if r.has_content()} >= {3, 5}
    assert grid.lost_nodes() == lost
    assert set(fleet.pids()) == {"n1", "n3"}
    later = grid.send_and_receive(train_messages(grid, "slot-1", nodes=[2, 3, 4, 5]), timeout=300)
    assert {r.metadata.src_node_id for r in later if r.has_error()} == lost
    assert capfd.readouterr().out == ""
    # The next run gets a new process in its place.
    fleet.reset(node_configs(4, run_id="third"), builder=echo)
    assert len(runs(fleet.grid.send_and_receive(train_messages(fleet.grid, "slot-0"), timeout=300))) == 4
