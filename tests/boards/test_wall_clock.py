"""Slots of real time over daemons on three hosts for real: a laptop, a board with a sensor, one that counts CPU time.

All hosts are on one machine and have its monotonic clock, so that every offset is known: 0."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import detabed
from experiments.resolve.resolve import resolve
from experiments.run_folder.checkpoint import read_lines
from experiments.run_folder.files import LEDGER, PROCESSES
from experiments.scenario.model import parse_scenario
from experiments.twin.twin import PAGE, twin_of
from tests.boards.board_hosts import until
from tests.boards.hosts import hosts
from tests.boards.test_daemons import END_S, IN_PROCESS, Cluster, on_boards

pytestmark = pytest.mark.processes
SLOT_S, SLOTS, WATTS = 1.0, 8, 3.0
LEAST_S = (SLOTS - 0.1) * SLOT_S
"""Of a node's windows: the first begins when the first decision reaches it."""
ATTEMPTS = 3
BOARDS = ("n0", "n1")
SCENARIO = """name = "wall"
[time]
clock = "wall"
slot_s = {slot_s}
start = 2022-06-21T12:00:00Z
[stages]
preparation = 1
development = {development}
application = 1
recycling = 0
[task]
data = "digits"
batches_per_slot = 2
[tolerance]
unserved_fraction = 1.0
{fleet}
[[nodes]]
zone = "DE"
[[nodes]]
zone = "FR"
meter = "process-cpu-time"
harvest = {{ kind = "pv", peak_w = 20 }}
battery = {{ capacity_wh = 2 }}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Board n0 reads a steady power, as its own file says."""
    with hosts(3) as made:
        found = Cluster(made, tmp_path_factory.mktemp("daemons"))
        (found.folder / "steady.csv").write_text(f"at_s,power_w\n0,{WATTS}\n3600,{WATTS}\n")
        path = found.folder / "n0" / "board.json"
        own = json.loads(path.read_text()) | {"meter": f"recording:{found.folder}/steady.csv,repeat"}
        path.write_text(json.dumps(own))
        for node_id in found.hosts:
            found.boards.daemon(node_id)
        yield found
        found.boards.end()


def text_of(fleet: str) -> str:
    return SCENARIO.format(slot_s=SLOT_S, development=SLOTS - 2, fleet=fleet)


def started(cluster: Cluster, folder: Path) -> subprocess.Popen[str]:
    scenario = cluster.folder / "wall.toml"
    scenario.write_text(text_of(on_boards(cluster.laptop)))
    return cluster.run(scenario, folder)


def has_open_slot(folder: Path) -> bool:
    """Whether a slot after the first two is decided and not ended, as the ledger has it."""
    if len(read_lines(folder)) < 4:
        return False
    last = "select max(slot) from entries where kind = '{}'"
    with contextlib.closing(sqlite3.connect(f"file:{folder / LEDGER}?mode=ro", uri=True)) as ledger:
        decided, over = (ledger.execute(last.format(kind)).fetchone()[0] for kind in ("decision", "slot_end"))
    return bool(decided > over)


def amid_a_slot(cluster: Cluster, folder: Path) -> tuple[subprocess.Popen[str], int]:
    """A run in which a slot is open, and its coordinator's process."""
    process = started(cluster, folder)
    until(lambda: process.poll() is not None or has_open_slot(folder))
    assert process.poll() is None, process.communicate()
    return process, int(json.loads((folder / PROCESSES).read_text())["coordinator"])


def ended(process: subprocess.Popen[str], folder: Path) -> detabed.Run:
    """The whole run, whose books are sound and in which every board was metered by its own clock."""
    _, errors = process.communicate(timeout=END_S)
    assert process.returncode == 0, errors
    run = detabed.open(folder)
    assert run.verify()["ok"], run.verify()
    slots = run.slots
    assert slots["slot"].nunique() == SLOTS
    assert (slots["clock_offset_s"].abs() <= slots["clock_uncertainty_s"]).all(), "it is one clock"
    assert (slots["clock_uncertainty_s"] <= SLOT_S / 10).all()
    read = slots[(slots["node_id"] == "n0") & slots["metered"]]
    assert (read["meter_window_s"] == read["duration_s"]).all()
    assert read["demand_j"].to_numpy() == pytest.approx(WATTS * read["duration_s"].to_numpy(), rel=1e-3)
    return run


@pytest.fixture(scope="module")
def whole(cluster: Cluster) -> detabed.Run:
    """One whose first decisions reached the boards at once, as they may not on a machine that is busy otherwise."""
    for attempt in range(ATTEMPTS):
        folder = cluster.folder / f"whole-{attempt}"
        run = ended(started(cluster, folder), folder)
        if run.slots.groupby("node_id")["duration_s"].sum().min() >= LEAST_S:
            break
    return run


def test_slots_last_by_each_boards_clock_and_the_coordinators(whole: detabed.Run) -> None:
    slots, decisions = whole.slots, whole.decisions
    assert slots["metered"].all()
    assert decisions["duration_s"].sum() >= SLOTS * SLOT_S - 1e-6, (
        "one that ends late leaves less to the next"
    )
    for _, mine in slots.groupby("node_id"):
        assert mine["duration_s"].sum() >= LEAST_S, "windows without a gap"
    power_w = resolve(parse_scenario(text_of(IN_PROCESS))).harvests[1].power_w
    for row in slots[slots["node_id"] == "n1"].itertuples():
        assert row.harvest_j == pytest.approx(power_w[row.slot] * row.duration_s, abs=2e-6)


def test_the_twin_prices_what_sensor_and_cpu_time_measured(whole: detabed.Run) -> None:
    twin = twin_of(whole.folder)
    assert not twin.left_out
    assert len(twin.windows) == len(BOARDS) * SLOTS
    assert twin.whole.measured_j == pytest.approx(whole.slots["demand_j"].sum())
    assert twin.whole.window_s == pytest.approx(whole.slots["duration_s"].sum())
    sensor, counter = ([each for each in twin.windows if each.node_id == node] for node in BOARDS)
    assert {each.kind for each in sensor} == {"power"}
    assert all(each.half_width_uj is not None for each in sensor)
    assert all(each.half_width_uj is None for each in counter)
    assert all(each.busy_s is not None and each.busy_s > 0 for each in counter if each.activity != "idle")
    assert not any('run with time.clock = "wall"' in text for text in twin.notices), "it is"
    assert (twin.write(whole.folder.parent / "twin")).name == PAGE


def test_a_coordinator_that_is_killed_goes_on_and_boards_book_its_absence(
    cluster: Cluster, tmp_path: Path
) -> None:
    process, coordinator = amid_a_slot(cluster, tmp_path / "run")
    os.kill(coordinator, signal.SIGKILL)
    run = ended(process, tmp_path / "run")
    assert run.metadata["coordinator_restarts"]
    assert run.decisions["epoch"].nunique() == 2
    assert run.slots["metered"].all(), "no slot is lost"
    assert run.slots["duration_s"].sum() >= len(BOARDS) * LEAST_S


def test_a_laptop_that_loses_power_goes_on_with_clocks_measured_anew(
    cluster: Cluster, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process, coordinator = amid_a_slot(cluster, folder)
    for pid in (coordinator, process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    command = ("-P", "-m", "experiments.cli", "resume", str(folder), "--no-report", "--json")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    resumed = cluster.laptop.start(sys.executable, *command, cwd=cluster.folder, **pipes)
    run = ended(resumed, folder)
    lost = {each["lost_slot"] for each in run.metadata["resumptions"]} - {None}
    gaps = run.slots[~run.slots["metered"]]
    assert set(gaps["slot"]) <= lost, "no gap but the slot that was open"
    assert gaps["duration_s"].isna().all(), "missing is never zero"
    after = run.slots[run.slots["slot"] > max(lost, default=0)]
    assert pd.notna(after["duration_s"]).all()
