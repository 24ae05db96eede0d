"""Fleets on hosts of network namespaces, as users have them: daemons or raylets on boards, the command on a laptop."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from experiments.run_folder.files import PROCESSES
from tests.boards.board_hosts import PORT, Boards
from tests.boards.hosts import ROOT, Host, environment, hosts
from tests.boards.ray_hosts import ray_hosts
from tests.edge_node.bare_board import write_bare_board

PATIENCE_S = 600.0
ZONES = ("DE", "FR", "GB", "PL")
SCENARIO = """name = "boards"
[time]
slot_s = 2.0
[stages]
preparation = 1
development = {rounds}
application = 1
recycling = 0
[task]
name = "mnist-mlp"
data = "digits"
batches_per_slot = 2
{fleet}
{nodes}
"""
STORED = """harvest = { kind = "pv", peak_w = 20 }
battery = { capacity_wh = 2 }
"""
BARE = """harvest = { kind = "none" }
battery = { capacity_wh = 0 }
"""


class BrokeOffError(RuntimeError):
    """A command ended, or something did not happen, that had to."""


@dataclass
class HostedFleet:
    """A laptop, and a board for each node."""

    laptop: Host
    boards: dict[str, Host]
    folder: Path
    section: str
    """Of the scenario: the fleet, and where the coordinator listens."""
    environment: dict[str, str]
    daemons: dict[str, int] = field(default_factory=dict)
    """Processes that stay on the boards between runs."""

    def scenario(self, name: str, rounds: int, *, stores: bool, fleet: str | None = None) -> Path:
        """``stores``: every second node has a panel and a battery. ``fleet``: another one than this."""
        nodes = "".join(
            f'[[nodes]]\nzone = "{ZONES[k % len(ZONES)]}"\n{STORED if stores and k % 2 else BARE}'
            for k in range(len(self.boards))
        )
        path = self.folder / f"{name}.toml"
        path.write_text(
            SCENARIO.format(rounds=rounds, fleet=self.section if fleet is None else fleet, nodes=nodes)
        )
        return path

    def begin(self, scenario: Path) -> Begun:
        """``detabed run`` on the laptop, on its way."""
        folder = scenario.with_suffix("")
        return Begun(folder, self.detabed("run", str(scenario), "-o", str(folder), "--json", "--no-report"))

    def detabed(self, *arguments: str) -> Command:
        log = (self.folder / "commands.log").open("a+")
        process = self.laptop.start(
            *(sys.executable, "-P", "-m", "experiments.cli", *arguments),
            stdout=log,
            stderr=subprocess.STDOUT,
            env=self.environment,
            cwd=self.folder,
        )
        return Command(process, Path(log.name))


@dataclass
class Command:
    """A process on the laptop."""

    process: subprocess.Popen[str]
    log: Path

    def to_end(self) -> None:
        """Raises BrokeOffError with its last words where it fails."""
        code = self.process.wait(PATIENCE_S)
        if code:
            raise BrokeOffError(f"exit code {code}: {self.log.read_text()[-1000:]}")

    def until(self, condition: Callable[[], Any], within_s: float = PATIENCE_S) -> float:
        """Seconds until ``condition`` held. Raises BrokeOffError where the process ends before, or the time does."""
        began = time.monotonic()
        while not condition():
            if self.process.poll() is not None:
                raise BrokeOffError(f"the command ended early: {self.log.read_text()[-1000:]}")
            if time.monotonic() - began > within_s:
                raise BrokeOffError(f"not within {within_s:g} s: {self.log.read_text()[-1000:]}")
            time.sleep(0.05)
        return time.monotonic() - began


@dataclass
class Begun:
    """A run on its way, and its folder."""

    folder: Path
    command: Command

    def processes(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.folder / PROCESSES).read_text())
        return found

    def kill(self) -> None:
        """kill -9 of coordinator and runner."""
        for pid in (self.processes()["coordinator"], self.command.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.command.process.wait(PATIENCE_S)


def in_hosts_of_their_own(fleet: HostedFleet, processes: dict[str, int]) -> int:
    """Nodes whose process is on their own board."""
    return sum(_network(processes[node]) == _network_of(board) for node, board in fleet.boards.items())


def _network(pid: int) -> int:
    return os.stat(f"/proc/{pid}/ns/net").st_ino


def _network_of(host: Host) -> int:
    return int(host.run("stat", "-L", "-c", "%i", "/proc/self/ns/net").stdout)


def resident_mb(pid: int) -> float:
    """Of a process now, in megabytes."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def names(count: int) -> list[str]:
    return [f"n{k}" for k in range(count)]


@contextlib.contextmanager
def daemons(count: int) -> Iterator[HostedFleet]:
    """Boards have nothing but what a node needs: no ray, pvlib, highspy, matplotlib, pandas, pyarrow, scikit-learn."""
    with (
        hosts(count + 1) as (laptop, *others),
        tempfile.TemporaryDirectory(prefix="dt-", ignore_cleanup_errors=True) as name,
    ):
        folder = Path(name)
        boards = dict(zip(names(count), others, strict=True))

        def start(node_id: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
            return boards[node_id].start(sys.executable, *arguments, **options)

        addresses = {node: board.address for node, board in boards.items()}
        cluster = Boards(folder, addresses, f"{laptop.address}:{PORT}", start)
        bare = folder / "bare"
        bare.mkdir()
        write_bare_board(bare)
        try:
            pids = {node: cluster.daemon(node, PYTHONPATH=f"{bare}{os.pathsep}{ROOT}").pid for node in boards}
            where = f'[coordinator]\nhost = "{laptop.address}"'
            section = f'[fleet]\nkind = "daemons"\ncluster = "{cluster.inventory}"\n{where}'
            yield HostedFleet(laptop, boards, folder, section, environment(), pids)
        finally:
            cluster.end()


@contextlib.contextmanager
def ray(count: int) -> Iterator[HostedFleet]:
    """Raylets with a supervisor that starts them again, as systemd does on boards."""
    with hosts(count + 1) as made, ray_hosts(made, names(count)) as cluster, _supervised(cluster):
        laptop, *others = made
        section = (
            f'[fleet]\naddress = "{cluster.address}"\nboards = true\n[coordinator]\nhost = "{laptop.address}"'
        )
        boards = dict(zip(names(count), others, strict=True))
        yield HostedFleet(laptop, boards, cluster.folder, section, cluster.environment(laptop))


@contextlib.contextmanager
def _supervised(cluster: Any) -> Iterator[None]:
    over = threading.Event()

    def watch(place: int) -> None:
        while not over.wait(0.5):
            if cluster.processes[place].poll() is not None:
                with contextlib.suppress(AssertionError):  # it gave up, and is started once more
                    cluster.raylet(place, f"n{place}")

    watchers: Sequence[threading.Thread] = [
        threading.Thread(target=watch, args=(place,), daemon=True) for place in cluster.processes
    ]
    for watcher in watchers:
        watcher.start()
    try:
        yield
    finally:
        over.set()
        for watcher in watchers:
            watcher.join(PATIENCE_S)
