"""Hostile connections of every kind at once: memory stays small, every healthy heartbeat is kept, the run goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from coordinator.adapters.control_client import ControlClient
from coordinator.ledger import verify
from protos import codec
from protos.access.files import write_private
from protos.messages.terms import Stage
from tests.coordinator.adapters.process import NodeThreads, Process
from tests.reliability.hostile import KINDS, Flood

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]
MOST_MB, MOST_GROWTH_MB = 200.0, 50.0
WAIT_S = 120.0


@contextmanager
def most_memory(pid: int) -> Iterator[list[float]]:
    """MB of a process before, and the most while the block lasts."""
    process, over = psutil.Process(pid), threading.Event()
    found = [process.memory_info().rss / 1e6] * 2

    def watch() -> None:
        while not over.wait(0.1):
            found[1] = max(found[1], process.memory_info().rss / 1e6)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield found
    finally:
        over.set()
        watching.join()


@pytest.mark.parametrize(
    ("count", "slots", "lease_s"),
    [
        pytest.param(48, 3, 20.0, id="some"),
        pytest.param(1000, 12, 6.0, id="thousand", marks=pytest.mark.long),
    ],
)
def test_a_flood_of_the_coordinator_takes_neither_memory_nor_heartbeats(
    tmp_path: Path, kit: Any, count: int, slots: int, lease_s: float
) -> None:
    """Nodes and flood are threads of one process: where it stands still for longer than a lease, that is not the
    coordinator's fault."""
    config = kit.make_config(tmp_path, nodes=3, slots=slots, policy="deta", lease_s=lease_s)
    process = Process(config, tmp_path)
    process.start()
    nodes = NodeThreads([kit.StubNode(node) for node in config.node_ids], process.address)
    try:
        with ControlClient(process.address, patience_s=60.0) as control:
            control.wait_for_nodes(3, WAIT_S)
            assert process.popen is not None
            with (
                most_memory(process.popen.pid) as megabytes,
                Flood(process.address, count, codec.ATTEND.path) as flood,
            ):
                for slot in range(slots):
                    control.begin_slot(slot, Stage.DEVELOPMENT, WAIT_S)
                    summary = control.end_slot(slot, WAIT_S, 1000, 10)
                    assert len(summary.settled_nodes) == 3, summary
                    assert len(control.status().live_nodes) == 3, "a lease was missed"
                assert min(flood.begun.values()) >= count // len(KINDS)
        print(
            f"{sum(flood.begun.values())} hostile connections, {count} at a time: at most {megabytes[1]:.0f} MB"
        )
        assert megabytes[1] < MOST_MB
    finally:
        nodes.stop()
        process.stop()
    report = verify(config.ledger_path)
    assert report.ok, report.findings[:5]
    assert not [notice for notice in report.notices if "unmetered" in notice]


@pytest.mark.parametrize(
    ("count", "seconds"),
    [pytest.param(48, 3.0, id="some"), pytest.param(1000, 30.0, id="thousand", marks=pytest.mark.long)],
)
@pytest.mark.parametrize(("port", "path"), [("peer", codec.DELIVER.path), ("infer", codec.INFER.path)])
def test_a_flood_of_a_nodes_ports_takes_little_memory(
    tmp_path: Path, port: str, path: str, count: int, seconds: float
) -> None:
    command = [sys.executable, str(Path(__file__).with_name("node_process.py"))]
    write_private(tmp_path / "secret", b"of the run, which a stranger does not have")
    command += ["127.0.0.1:1", "0", "3", str(tmp_path), str(tmp_path / "secret")]
    with (tmp_path / "log").open("w") as log:
        node = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    try:
        assert node.stdout is not None
        address = json.loads(node.stdout.readline())[port]
        with most_memory(node.pid) as megabytes, Flood(address, count, path) as flood:
            time.sleep(seconds)
        assert node.poll() is None
    finally:
        node.kill()
        node.wait()
    growth_mb = megabytes[1] - megabytes[0]
    print(f"{port}: {sum(flood.begun.values())} hostile connections, {count} at a time: +{growth_mb:.0f} MB")
    assert min(flood.begun.values()) >= count // len(KINDS)
    assert growth_mb < MOST_GROWTH_MB
