"""A fleet of daemons: boards that lack are named before a run, messages reach a node once, daemons come back."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message, RecordDict

from edge_node import versions
from edge_node.config import DemandConfig, NodeConfig, NodeMemory
from edge_node.daemon import DaemonError
from experiments.cluster.authority import Use
from experiments.cluster.cluster import Cluster
from experiments.errors import UsageError
from experiments.fleet import board_port
from experiments.fleet.base import FleetStartError
from experiments.fleet.daemons import DaemonFleet
from protos.access.config import Access
from tests.experiments.fleet.boards import PATIENCE_S, Running, until

DEMAND = DemandConfig(flop_per_batch=1e6, bytes_per_batch=10, batches=(1,) * 9)
Dial = Callable[..., Running]


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "boards.toml"
    path.write_text("".join(f'[[boards]]\nname = "n{k}"\naddress = "127.0.0.{k + 2}"\n' for k in range(2)))
    Cluster.make(path)
    return path


@pytest.fixture
def fleet(inventory: Path) -> Iterator[DaemonFleet]:
    with socket.socket() as kept:
        # Bound as long as the fleet lasts, so that no other process is given the port before the fleet listens there.
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        port = int(kept.getsockname()[1])
        made = DaemonFleet(
            ["n0"], inventory, host="127.0.0.1", port=port, lost_after_s=PATIENCE_S, appear_s=PATIENCE_S
        )
        yield made
        made.stop()


@pytest.fixture
def dial(fleet: DaemonFleet, inventory: Path, tmp_path: Path) -> Iterator[Dial]:
    running: list[Running] = []

    def start(node_id: str = "n0", certificate: str = "n0") -> Running:
        place = tmp_path / f"identity-{len(running)}"
        Cluster.open(inventory).authority.write_identity(place, (certificate,), Use.NODE)
        address = f"127.0.0.1:{fleet._at}"
        running.append(Running(address, Access(certificates=place), tmp_path / "state", node_id))
        return running[-1]

    yield start
    for each in running:
        if not each.ended.done():
            each.stop()


def config(node_configs: Callable[..., list[NodeConfig]], run_id: str = "run") -> list[NodeConfig]:
    return [
        one.model_copy(update={"demand": DEMAND, "coordinator_address": "127.0.0.1:1"})
        for one in node_configs(1, run_id)
    ]


def asked(fleet: DaemonFleet, group: str = "g", timeout: float = PATIENCE_S) -> list[Message]:
    message = Message(RecordDict(), 2, "query.identity", group_id=group)
    return fleet.grid.send_and_receive([message], timeout=timeout)


def test_one_daemon_hosts_run_after_run(
    fleet: DaemonFleet, dial: Dial, node_configs: Callable[..., list[NodeConfig]], tmp_path: Path
) -> None:
    daemon = dial()
    fleet.start()
    boots = set()
    for run_id in ("one", "two"):
        fleet.reset(config(node_configs, run_id))
        (reply,) = asked(fleet)
        identity = reply.content["identity"]
        assert identity["node-id"] == "n0"
        found = until(fleet.memories)  # what a busy machine does not tell in time is left out
        assert found["n0"].slot == 0
        boots.add(daemon.told[-1]["session"])
        assert fleet.pids().keys() == fleet.infer_addresses().keys() == {"n0"}
        assert len(list((tmp_path / "state").iterdir())) > 0
        fleet.release()
        until(lambda: not list((tmp_path / "state").iterdir()))
    assert len(boots) == 2


@pytest.mark.parametrize("overdue", [False, True])
def test_what_a_slow_board_remembers_is_waited_for_unless_it_is_overdue(
    fleet: DaemonFleet,
    dial: Dial,
    node_configs: Callable[..., list[NodeConfig]],
    monkeypatch: pytest.MonkeyPatch,
    overdue: bool,
) -> None:
    monkeypatch.setattr("experiments.fleet.daemons.AT_WORK_S", 0.0)
    monkeypatch.setattr("experiments.fleet.daemons.MEMORIES_S", 600.0)
    daemon, go_on = dial(), threading.Event()
    fleet.start()
    fleet.reset(config(node_configs))
    run = until(lambda: daemon.daemon._run)
    memory, handle = run.memory, run.handle

    def remembers() -> NodeMemory:
        time.sleep(0.5)
        return memory()

    def at_work(message: Message) -> Message:
        assert go_on.wait(PATIENCE_S)
        return handle(message)

    if overdue:
        run.handle = at_work
        assert asked(fleet, timeout=0.0) == []
        assert fleet.memories() == {}
        go_on.set()
        assert len(asked(fleet, "h")) == 1
        assert fleet.grid.overdue_nodes() == set()
    else:
        run.memory = remembers
        assert fleet.memories().keys() == {"n0"}


def test_a_broken_stream_is_opened_again_and_the_message_answered_once(
    fleet: DaemonFleet, dial: Dial, node_configs: Callable[..., list[NodeConfig]]
) -> None:
    daemon = dial()
    fleet.start()
    fleet.reset(config(node_configs))
    ran: list[str] = []
    run = until(lambda: daemon.daemon._run)
    handle = run.handle

    def broken(message: Message) -> Message:
        ran.append(message.metadata.message_id)
        answer: Message = handle(message)
        if len(ran) == 1:
            before = daemon.daemon._stream
            daemon.break_stream()
            until(lambda: daemon.daemon._stream is not before)
        return answer

    run.handle = broken
    (reply,) = asked(fleet)
    assert not reply.has_error()
    assert len(set(ran)) == 1, "the same message again, which the node answers from memory"
    assert len(daemon.told) == 1, "the node was not built again"


def test_another_start_of_a_daemon_gets_a_node_but_no_old_message(
    fleet: DaemonFleet, dial: Dial, node_configs: Callable[..., list[NodeConfig]]
) -> None:
    daemon = dial()
    fleet.start()
    grid = fleet.reset(config(node_configs))
    run = until(lambda: daemon.daemon._run)
    run.handle = lambda message: until(lambda: daemon.ended.done()) and None
    (message_id,) = grid.push_messages([Message(RecordDict(), 2, "query.identity", group_id="g")])
    until(lambda: fleet._started.boards["n0"].waiting[message_id].boot_id)
    dial()
    (reply,) = until(lambda: grid.pull_messages([message_id]))
    assert "was started again" in reply.error.reason
    until(lambda: not grid.lost_nodes())
    (reply,) = asked(fleet, "h")
    assert not reply.has_error()
    with pytest.raises(DaemonError, match="a newer stream of n0 took over"):
        daemon.ended.result(PATIENCE_S)


def test_boards_that_do_not_dial_are_named(inventory: Path) -> None:
    missing = DaemonFleet(["n0", "n1"], inventory, host="127.0.0.1", port=0, lost_after_s=6.0, appear_s=0.1)
    with pytest.raises(UsageError, match=r"n0, n1 did not dial 127.0.0.1:\d+ in 0.1 s \(there: none; "):
        missing.start()
    stranger = DaemonFleet(["n7"], inventory, host="127.0.0.1", port=0, lost_after_s=6.0)
    with pytest.raises(UsageError, match="no board is called 'n7'; boards are n0, n1"):
        stranger.start()


def test_other_versions_are_refused_by_name(
    fleet: DaemonFleet, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_port, "versions", lambda: {**versions.versions(), "flwr": "9.9"})
    dial()
    with pytest.raises(UsageError, match=r"n0 has flwr 1\.4\d.* \(here 9\.9\): install the same"):
        fleet.start()


def test_a_certificate_of_another_node_is_refused_for_good(fleet: DaemonFleet, dial: Dial) -> None:
    fleet._appear_s = 2.0
    daemon = dial("n0", certificate="n1")

    def dialled() -> bool:
        with pytest.raises(UsageError, match="n0 did not dial"):
            fleet.start()
        return daemon.ended.done()

    until(dialled)
    with pytest.raises(DaemonError, match="the certificate is of n1, not of n0"):
        daemon.ended.result()


def test_what_a_board_cannot_build_is_said(
    fleet: DaemonFleet, dial: Dial, node_configs: Callable[..., list[NodeConfig]], tmp_path: Path
) -> None:
    dial()
    fleet.start()
    (wanting,) = config(node_configs)
    wanting = wanting.model_copy(update={"meter": "no-such-meter"})
    with pytest.raises(FleetStartError, match="n0: MeterError: no meter is called 'no-such-meter'"):
        fleet.reset([wanting])


def test_a_silent_board_is_lost_and_answers_for_it_are_errors(
    fleet: DaemonFleet, dial: Dial, node_configs: Callable[..., list[NodeConfig]]
) -> None:
    daemon = dial()
    fleet.start()
    grid = fleet.reset(config(node_configs))
    grid._lost_after_s = 0.5
    daemon.stop()
    until(lambda: grid.lost_nodes() == {2})
    (reply,) = asked(fleet)
    assert "its board has been silent for" in reply.error.reason
    assert grid.get_node_ids() == []


def test_the_runner_s_certificate_lies_in_the_run_s_folder_while_it_lasts(
    fleet: DaemonFleet, dial: Dial, tmp_path: Path
) -> None:
    dial()
    fleet.start()
    with fleet.access(tmp_path, Any) as found:
        place = tmp_path / "access" / "runner"
        assert (place / "key.pem").stat().st_mode & 0o777 == 0o600
        assert found.nodes == Access()
    assert not (tmp_path / "access").exists()
