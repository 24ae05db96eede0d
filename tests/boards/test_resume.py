"""``detabed resume`` over boards for real: runner and coordinator are killed, boards live on or not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

import detabed
from experiments.run_folder.checkpoint import read_lines
from experiments.run_folder.files import CHECKPOINT, DONE, PROCESSES
from tests.boards.board_hosts import until
from tests.boards.hosts import ROOT, environment, hosts
from tests.boards.ray_hosts import ray_hosts
from tests.boards.test_daemons import Cluster, on_boards
from tests.boards.test_ray_cluster import ON_BOARDS as ON_RAY
from tests.boards.test_ray_cluster import SCENARIO

pytestmark = pytest.mark.processes
TABLES = ("slots", "nodes", "lines", "rounds", "serving", "batch_flows", "energy_flows", "decisions")
KEEPING = SCENARIO.replace(
    "batches_per_slot = 2", 'batches_per_slot = 3\nstrategy = "fedadam"\n[limits]\ndeadline_slots = 1'
)
"""Momenta at the server, batches that may wait, a battery: state of every kind."""
SLOTS = 10
IN_PROCESS = '[fleet]\nkind = "inprocess"'
KILLED = ("-P", str(ROOT / "tests" / "e2e" / "killed.py"), "experiments.runs.recording:Recording.keep")
END_S = 400
Laptop = Callable[..., subprocess.Popen[str]]
"""Starts Python with arguments on the laptop, with the files of this machine."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing disturbs, in one process."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "whole.toml").write_text(KEEPING.format(rounds=SLOTS - 2, more=IN_PROCESS))
    return Path(detabed.run(folder / "whole.toml", output=folder / "run", progress=False).folder)


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    _, errors = process.communicate(timeout=END_S)
    assert process.returncode == code, errors
    return " ".join(errors.split())


def resume(laptop: Laptop, folder: Path) -> str:
    return ended(laptop("-P", "-m", "experiments.cli", "resume", str(folder), "--no-report", "--json"))


def told(folder: Path) -> list[dict[str, int | None]]:
    found: list[dict[str, int | None]] = json.loads((folder / "metadata.json").read_text())["resumptions"]
    return found


def assert_same(folder: Path, whole: Path) -> None:
    for name in TABLES:
        ours, theirs = (pd.read_parquet(path / f"{name}.parquet") for path in (folder, whole))
        if name == "decisions":
            ours, theirs = ours.drop(columns="epoch"), theirs.drop(columns="epoch")
        if name == "nodes":  # boards do not sleep unless they have an actuator, modelled nodes do
            ours, theirs = (table.drop(columns="sleep", errors="ignore") for table in (ours, theirs))
        pd.testing.assert_frame_equal(ours, theirs)
    assert (folder / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with hosts(3) as made:
        cluster = Cluster(made, tmp_path_factory.mktemp("daemons"))
        for node_id in cluster.hosts:
            cluster.boards.daemon(node_id)
        for node_id in cluster.hosts:
            until(lambda name=node_id: "no stream to" in cluster.boards.said(name))
        yield cluster
        cluster.boards.end()


@pytest.fixture(scope="module")
def laptop(daemons: Cluster) -> Laptop:
    def start(*arguments: str) -> subprocess.Popen[str]:
        return daemons.laptop.start(
            *(sys.executable, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            cwd=daemons.folder,
        )

    return start


@pytest.fixture(scope="module")
def scenario(daemons: Cluster) -> Path:
    return keeping(daemons, "keeping")


def keeping(daemons: Cluster, name: str, **changes: float) -> Path:
    path = daemons.folder / f"{name}.toml"
    path.write_text(KEEPING.format(rounds=SLOTS - 2, more=on_boards(daemons.laptop, **changes)))
    return path


def test_daemons_outlive_their_runner_and_the_run_ends_as_if_undisturbed(
    laptop: Laptop, scenario: Path, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    command = ("run", str(scenario), "-o", str(folder), "--no-report")
    ended(laptop(*KILLED, "4", "after", *command), -signal.SIGKILL)
    resume(laptop, folder)
    assert [(each["slot"], each["lost_slot"]) for each in told(folder)] == [(4, None)]
    assert_same(folder, whole)
    assert detabed.open(folder).verify()["ok"]


def test_a_board_that_is_away_is_named_and_the_run_goes_on_once_it_is_back(
    daemons: Cluster, laptop: Laptop, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    command = ("run", str(keeping(daemons, "away", appear_s=30.0)), "-o", str(folder), "--no-report")
    ended(laptop(*KILLED, "6", "after", *command), -signal.SIGKILL)
    daemon = daemons.boards.processes["n1"]
    daemon.kill()
    daemon.wait()
    refused = laptop("-P", "-m", "experiments.cli", "resume", str(folder))
    assert "n1 did not dial" in ended(refused, 2)
    assert (folder / CHECKPOINT).exists()
    dialled = daemons.boards.said("n1").count("no stream to")
    daemons.boards.daemon("n1")
    until(lambda: daemons.boards.said("n1").count("no stream to") > dialled)
    resume(laptop, folder)
    assert_same(folder, whole)


def test_killed_amid_a_slot_with_a_board_beside_it_every_joule_is_booked_once(
    daemons: Cluster, laptop: Laptop, tmp_path: Path
) -> None:
    folder, scenario = tmp_path / "run", daemons.written("both", 60)
    process = laptop("-P", "-m", "experiments.cli", "run", str(scenario), "-o", str(folder), "--no-report")
    until(lambda: len(read_lines(folder)) > 5 or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    daemon = daemons.boards.processes["n1"]
    for pid in (json.loads((folder / PROCESSES).read_text())["coordinator"], process.pid, daemon.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    daemon.wait()
    daemons.boards.daemon("n1")
    resume(laptop, folder)
    run = detabed.open(folder)
    assert run.verify()["ok"]
    lost = {each["lost_slot"] for each in told(folder)} - {None}
    assert set(run.slots.loc[run.slots["demand_j"].isna(), "slot"]) <= lost, (
        "no gap but the slot that was open"
    )
    assert run.slots["slot"].nunique() == 62


def test_a_comparison_of_a_market_that_was_broken_off_goes_on(
    laptop: Laptop, scenario: Path, whole: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "compared"
    command = ("compare", str(scenario), "--policies", "deta,auction", "--seeds", "1")
    ended(
        laptop(*KILLED, str(SLOTS + 3), "after", *command, "-o", str(folder), "--no-report"), -signal.SIGKILL
    )
    resume(laptop, folder)
    assert (folder / DONE).exists()
    assert_same(folder / "deta-s0", whole)
    here = scenario.with_name("auction.toml")
    here.write_text('policy = "auction"\n' + KEEPING.format(rounds=SLOTS - 2, more=IN_PROCESS))
    assert_same(folder / "auction-s0", detabed.run(here, output=tmp_path / "auction", progress=False).folder)


def test_a_run_on_a_ray_cluster_goes_on(whole: Path, tmp_path: Path) -> None:
    with hosts(3) as made, ray_hosts(made, ("n0", "n1")) as cluster:
        path, folder = cluster.folder / "keeping.toml", tmp_path / "run"
        where = ON_RAY.format(address=cluster.address, host=cluster.laptop.address)
        path.write_text(KEEPING.format(rounds=SLOTS - 2, more=where))

        def start(*arguments: str) -> subprocess.Popen[str]:
            return cluster.laptop.start(
                *(sys.executable, *arguments),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=cluster.environment(cluster.laptop),
                cwd=cluster.folder,
            )

        ended(
            start(*KILLED, "4", "after", "run", str(path), "-o", str(folder), "--no-report"), -signal.SIGKILL
        )
        resume(start, folder)
        assert told(folder)[0]["lost_slot"] is None
        assert_same(folder, whole)
        assert detabed.open(folder).verify()["ok"]
