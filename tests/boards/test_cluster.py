"""``detabed cluster`` over a real sshd on hosts of their own: started, asked, stopped, and refused with a sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from experiments.cluster.agent.process import started_at
from tests.boards.desk import Desk, desk_and_boards
from tests.boards.test_daemons import END_S, on_boards
from tests.boards.test_ray_cluster import SCENARIO

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk_and_boards(tmp_path_factory.mktemp("cluster"), 2) as found:
        yield found


def test_daemons_are_started_asked_and_stopped(desk: Desk) -> None:
    assert {row["state"] for row in desk.asked("status", exit_code=1).values()} == {"stopped"}
    begun = desk.asked("up")
    assert {name: row["state"] for name, row in begun.items()} == {"n0": "running", "n1": "running"}
    pids = {name: row["pid"] for name, row in begun.items()}
    for name, pid in pids.items():
        assert psutil.Process(pid).cmdline()[1:4] == ["-P", "-m", "edge_node"]
        desk.boards.serve(name)  # the daemon outlives the sshd that it was started by
    assert {name: row["pid"] for name, row in desk.asked("up").items()} == pids, "it runs already"
    assert {name: row["pid"] for name, row in desk.asked("status").items()} == pids
    assert desk.asked("down", "n0")["n0"]["state"] == "stopped"
    assert started_at(pids["n0"]) is None, "no such process lives"
    assert desk.asked("status", exit_code=1)["n1"]["pid"] == pids["n1"]
    desk.asked("down")
    assert {row["state"] for row in desk.asked("down").values()} == {"stopped"}


def test_daemons_that_were_started_over_ssh_host_a_run(desk: Desk, tmp_path: Path) -> None:
    scenario = desk.folder / "run.toml"
    scenario.write_text(SCENARIO.format(rounds=2, more=on_boards(desk.laptop)))
    pids = {name: row["pid"] for name, row in desk.asked("up").items()}
    done = desk.laptop.run(
        *(sys.executable, "-P", "-m", "experiments.cli", "run", str(scenario)),
        *("-o", str(tmp_path / "run"), "--json", "--no-report"),
        cwd=desk.folder,
        timeout=END_S,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["unserved_batches"], found["unmetered_slots"]) == (0, 0)
    assert {name: row["pid"] for name, row in desk.asked("status").items()} == pids, "they wait for the next"
    desk.asked("down")


def test_a_daemon_that_ends_at_once_is_told_with_what_it_said(desk: Desk) -> None:
    key = desk.boards.home("n1") / "config" / "detabed" / "n1" / "key.pem"
    key.chmod(0o644)
    try:
        done = desk.detabed("up")
        assert done.returncode == 1, done
        assert "board n1: its daemon ended: error:" in " ".join(done.stderr.split())
    finally:
        key.chmod(0o600)
        desk.asked("down")


def test_boards_are_compared_with_this_machine(desk: Desk) -> None:
    found = desk.asked("check")
    assert {name: row["findings"] for name, row in found.items()} == {"n0": [], "n1": []}
    low, high = found["n0"]["facts"]["clock_offset_s"]
    assert low <= 0 <= high, "it is the same clock"
    desk.cluster.revoke("n1")
    board = desk.boards.home("n0") / "config" / "detabed" / "board.json"
    own = board.read_text()
    board.write_text(own.replace('"node_id"', '"meter": "hwmon:/nowhere", "node_id"'))
    desk.boards.inventory(desk.inventory, n1='meter = "rapl"')
    found = desk.asked("check", exit_code=1)
    wrong = {name: {each["what"]: each for each in row["findings"]} for name, row in found.items()}
    assert set(wrong["n0"]) == {"meter"}
    assert "/nowhere" in wrong["n0"]["meter"]["found"]
    assert set(wrong["n1"]) == {"certificate", "meter"}
    assert wrong["n1"]["certificate"]["remedy"] == "detabed cluster invite n1"
    assert "none in " in wrong["n1"]["meter"]["found"]
    board.write_text(own)
    desk.boards.inventory(desk.inventory, n1="ssh_port = 2222")
    found = desk.asked("check", exit_code=1)
    assert found["n1"]["facts"] is None
    assert "is not reached" in found["n1"]["findings"][0]["found"]
    desk.boards.inventory(desk.inventory)
    shown = desk.detabed("check", "n0")
    assert (shown.returncode, "nothing wrong" in shown.stdout) == (0, True)


def test_nothing_is_started_where_one_board_is_another_or_cannot(desk: Desk) -> None:
    desk.join("n1", "n5")
    said = desk.refused("up")
    address = desk.boards.hosts["n1"].address
    assert f"board n1 at {address}: it answers as n5; correct its address in the inventory" in said
    assert "No daemon was started" in said
    assert "it answers as n5" in desk.asked("status", exit_code=1)["n1"]["said"]
    assert "it answers as n5" in desk.refused("down", exit_code=1)
    (desk.boards.home("n1") / "config" / "detabed" / "board.json").unlink()
    assert "it has not joined" in (said := desk.refused("up"))
    assert "detabed cluster invite n1" in said
    desk.join("n1", "n1")

    other = desk.folder / "other" / "flwr-0.1.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: flwr\nVersion: 0.1\n")
    path = f"{other.parent}:{desk.boards.environment('n1')['PYTHONPATH']}"
    desk.boards.serve("n1", PYTHONPATH=path)
    assert "board n1 has flwr 0.1 (here " in (said := desk.refused("up"))
    assert "install the same there" in said
    desk.boards.serve("n1")

    desk.boards.inventory(desk.inventory, n1="ssh_port = 2222")
    assert f"board n1 at {address} is not reached" in (said := desk.refused("up"))
    assert "switched on" in said
    assert desk.asked("status", exit_code=1)["n1"]["state"] == "unknown"
    desk.boards.inventory(desk.inventory)
    (desk.boards.home("n1") / "authorized_keys").rename(desk.folder / "keys")
    assert "ssh-copy-id" in desk.refused("up")
    (desk.folder / "keys").rename(desk.boards.home("n1") / "authorized_keys")
    assert "no board is called 'n7'; boards are n0, n1" in desk.refused("up", "n7")
