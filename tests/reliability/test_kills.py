"""``kill -9`` of coordinator and nodes, processes with their outboxes on disk, at random moments, start-up and restart
included: every reading is booked exactly once, no task counts twice, no stale plan is executed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from coordinator.adapters.control_client import ControlClient
from coordinator.config import CoordinatorConfig
from coordinator.ledger import Kind, read_entries, verify
from protos.messages.terms import Stage
from tests.boards.loopback import free_port
from tests.coordinator.adapters.process import Process
from tests.edge_node.adapters.running import coordinator_config

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]
DRAINED_S = 5.0
STARTS_S = 600.0
"""Longest that all nodes are away at a time."""


class Node:
    """A node's process, started again after each kill, on the same outbox."""

    def __init__(self, address: str, index: int, slots: int, folder: Path, where: Sequence[str] = ()) -> None:
        """``where``: what stands before the command."""
        self.node_id, self._folder = f"n{index}", folder
        self._command = [*where, sys.executable, str(Path(__file__).with_name("node_process.py"))]
        self._command += [address, str(index), str(slots), str(folder)]
        self._popen: subprocess.Popen[str] | None = None

    def start(self) -> None:
        with (self._folder / f"{self.node_id}.log").open("a") as log:
            self._popen = subprocess.Popen(
                self._command,
                stdout=subprocess.DEVNULL,
                stderr=log,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )

    def kill(self) -> None:
        assert self._popen is not None
        self._popen.kill()
        self._popen.wait()

    def journal(self) -> list[dict[str, Any]]:
        """Whole lines of it."""
        path = self._folder / f"{self.node_id}.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]


class Shooter:
    """Kills one of the processes after a random while, ``kills`` times. Of those that are killed while they start, the
    next comes soon after."""

    def __init__(self, coordinator: Process, nodes: list[Node], kills: int, seed: int) -> None:
        self._coordinator, self._nodes, self._kills = coordinator, nodes, kills
        self._chance = random.Random(seed)
        self.killed: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self.over = threading.Event()
        self._may_end = threading.Event()
        self._thread = threading.Thread(target=self._shoot)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._may_end.set()
        if self._thread.ident is not None:
            self._thread.join(STARTS_S)

    def _shoot(self) -> None:
        try:
            while sum(self.killed.values()) < self._kills and not self._may_end.wait(
                self._chance.uniform(0.0, 1.5)
            ):
                if self._chance.random() < 0.5:
                    self._shoot_coordinator()
                else:
                    self._shoot_node(self._chance.choice(self._nodes))
        except BaseException as error:
            self.failure = error
        self.over.set()
        # The kernel ties the coordinator's parent-death signal to the thread that started it.
        self._may_end.wait()

    def _shoot_coordinator(self) -> None:
        self._coordinator.kill()
        self.killed["coordinator"] += 1
        while self._chance.random() < 0.4:
            self._coordinator.begin()
            time.sleep(self._chance.uniform(0.0, 1.5))
            self._coordinator.kill()
            self.killed["starting coordinator"] += 1
        self._coordinator.start()

    def _shoot_node(self, node: Node) -> None:
        node.kill()
        self.killed["node"] += 1
        while self._chance.random() < 0.4:
            node.start()
            time.sleep(self._chance.uniform(0.0, 2.0))
            node.kill()
            self.killed["starting node"] += 1
        node.start()


def assert_every_reading_once(ledger: Path, nodes: list[Node]) -> dict[str, Any]:
    """Readings in the journals against those in the books. Returns figures."""
    report = verify(ledger)
    assert report.ok, report.findings[:5]
    booked: dict[tuple[str, int], int] = {}
    for stored in read_entries(ledger):
        if stored.entry.kind is Kind.USAGE:
            key = (stored.entry.node_id, int(stored.entry.body["slot"]))
            assert key not in booked, f"two readings of {key}"
            booked[key] = sum(line["energy_uj"] for line in stored.entry.body["lines"])
    closed = report.kinds.get(str(Kind.SLOT_END), 0)
    lost, drained, metered = 0, [0.0], 0
    for node in nodes:
        lines = node.journal()
        kept = {(line["slot"], line["uj"]) for line in lines if line["what"] == "metered"}
        meant = {(line["slot"], line["uj"]) for line in lines if line["what"] == "metering"}
        ours = {(slot, uj) for (node_id, slot), uj in booked.items() if node_id == node.node_id}
        assert ours <= meant, "booked and never metered"
        lost += len({(slot, uj) for slot, uj in kept - ours if slot < closed})
        metered += len(kept)
        fences = [(line["epoch"], line["slot"]) for line in lines if line["what"] == "accepted"]
        assert fences == sorted(set(fences)), "a stale plan, or one twice"
        drained += [line["seconds"] for line in lines if line["what"] == "drained"]
    assert lost == 0, f"{lost} readings were kept and not booked"
    return {"slots": closed, "readings": metered, "longest_drain_s": max(drained), "drains": len(drained) - 1}


@pytest.mark.parametrize(
    ("kills", "runs"),
    [pytest.param(5, 1, id="some"), pytest.param(50, 17, id="many", marks=pytest.mark.long)],
)
def test_kills_of_coordinator_and_nodes_lose_and_double_nothing(
    tmp_path: Path, kills: int, runs: int, request: pytest.FixtureRequest
) -> None:
    total, longest_s = 0, 0.0
    for seed in range(runs):
        folder = tmp_path / f"seed{seed}"
        folder.mkdir()
        found = run_with_kills(folder, kills, seed)
        total, longest_s = total + found["kills"], max(longest_s, found["longest_drain_s"])
        print(f"seed {seed}: {found}, 0 lost, 0 doubled", flush=True)
    print(f"{total} kills, longest drain {longest_s:.2f} s")
    if request.config.getoption("--long"):
        assert longest_s <= DRAINED_S


def config_of(folder: Path, slots: int, **changes: Any) -> CoordinatorConfig:
    level = (400.0,) * (slots + 30)
    zones = tuple(
        zone.model_copy(update={"intensity_g_per_kwh": level}) for zone in coordinator_config(folder).zones
    )
    values = {"stages": (Stage.DEVELOPMENT,) * slots, "zones": zones, "lease_s": 3.0}
    return coordinator_config(folder, **(values | changes))


def run_with_kills(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Slots until so many kills are done, and two more."""
    slots = 12 * kills
    config = config_of(folder, slots, port=free_port())
    process = Process(config, folder)
    process.start()
    nodes = [Node(process.address, index, slots, folder) for index in range(3)]
    shooter = Shooter(process, nodes, kills, seed)
    try:
        for node in nodes:
            node.start()
        with ControlClient(process.address, patience_s=300.0) as control:
            control.wait_for_nodes(3, STARTS_S)
            shooter.start()
            _run_slots(control, shooter, slots)
        until_drained(folder, nodes)
    finally:
        for node in nodes:
            node.kill()
        shooter.stop()
        process.stop()
    found = assert_every_reading_once(config.ledger_path, nodes)
    return {"kills": sum(shooter.killed.values()), **shooter.killed, **found}


def _run_slots(control: ControlClient, shooter: Shooter, slots: int) -> None:
    ended = 0
    while ended < slots - 2 and not (shooter.over.is_set() and ended >= 3):
        control.begin_slot(ended, Stage.DEVELOPMENT, STARTS_S)
        control.end_slot(ended, 20.0, 1000, 10)
        ended += 1
    assert shooter.over.wait(STARTS_S), "slots ran out before kills"
    assert shooter.failure is None, shooter.failure
    control.wait_for_nodes(3, STARTS_S)
    for slot in range(ended, ended + 2):  # undisturbed: what waits arrives
        control.begin_slot(slot, Stage.DEVELOPMENT, 60.0)
        control.end_slot(slot, 60.0, 1000, 10)


def until_drained(folder: Path, nodes: list[Node]) -> None:
    """No node keeps a reading of a slot that was ended, or the time is over: those that are lost are counted then."""
    end = time.monotonic() + STARTS_S
    while any(_kept(folder / f"{node.node_id}.sqlite") for node in nodes) and time.monotonic() < end:
        time.sleep(0.1)


def _kept(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as outbox:
        return int(outbox.execute("SELECT count(*) FROM outbox").fetchone()[0])
