"""A sweep on a Ray cluster for real: a laptop and two machines with a core each, certificates and token everywhere."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from carbon_data.files.datasets import DATASETS
from experiments.cli import invoke
from tests.boards.board_hosts import until
from tests.boards.hosts import hosts
from tests.boards.ray_hosts import RayHosts, ray_hosts
from tests.experiments.sweep.energy import ENERGY

pytestmark = pytest.mark.processes
AXES = ("--set", "limits.transfer_cap_fraction=0,0.5", "--set", "nodes.0.battery.capacity_wh=1,5,7")
RUNS = (*AXES, "--policies", "local,det", "--seeds", "2", "--no-report")
COUNT = 24
END_S = 400
TABLES = ("sweep.parquet", "sweep.csv")
SLOW = """
import time
from experiments.cli import main
from experiments.sweep.store import Store

put = Store.put


def slow(self, key, result):
    put(self, key, result)
    time.sleep(2.0)


Store.put = slow
main()
"""
"""The command, which keeps results slowly: it could be over before it, or a process of its, is sent a signal."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayHosts]:
    with hosts(3) as made, ray_hosts(made, ("n0", "n1")) as found:
        (found.folder / "s.toml").write_text(ENERGY)
        yield found


@pytest.fixture
def _caches(cluster: RayHosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty ones: every run is computed anew, here and there."""
    monkeypatch.setitem(cluster.protected, "XDG_CACHE_HOME", str(tmp_path / "cache-there"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache-here"))


def kept(folder: Path) -> int:
    return sum(1 for _ in (folder / "results").rglob("*.json"))


def await_more(process: subprocess.Popen[str], folder: Path) -> None:
    """Until ``process`` has kept something more."""
    before, end = kept(folder), time.monotonic() + END_S
    while kept(folder) <= before and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.02)


def await_said(process: subprocess.Popen[str], text: str) -> None:
    """Until ``process`` has said ``text`` on standard error, which it closes when it ends."""
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if text in line:
            return
    raise AssertionError("".join(said))


def computing(cluster: RayHosts) -> list[psutil.Process]:
    """Processes of its machines that compute cells now; of one that still starts, or has none to compute, nothing is
    lost."""
    machines = [psutil.Process(process.pid) for process in cluster.processes.values()]
    there = [child for machine in machines for child in machine.children(recursive=True)]
    found = []
    for child in there:
        with contextlib.suppress(psutil.Error):  # it has ended
            found += [child] if "_Process.answer" in " ".join(child.cmdline()) else []
    return found


@pytest.mark.usefixtures("_caches")
def test_a_sweep_that_loses_processes_and_a_machine_and_is_interrupted_gives_the_table_of_this_machine(
    cluster: RayHosts, tmp_path: Path
) -> None:
    folder, here, scenario = tmp_path / "there", tmp_path / "here", str(cluster.folder / "s.toml")
    address = ("--ray", cluster.address)

    first = cluster.python("-c", SLOW, "sweep", scenario, *RUNS, *address, "-o", str(folder))
    await_more(first, folder)
    first.send_signal(signal.SIGINT)
    said = first.communicate(timeout=END_S)[1]
    assert first.returncode == 130, said
    assert f"of {COUNT} runs are kept" in said
    assert f"detabed sweep --resume {folder} --ray {cluster.address}" in said
    assert "nothing was booked" not in said

    second = cluster.python("-c", SLOW, "sweep", "--resume", str(folder), *address, "--no-report")
    await_more(second, folder)
    until(lambda: computing(cluster), lambda: f"exit code {second.poll()}")[0].kill()
    # The other machine may keep several runs before the cluster tells of the loss.
    await_said(second, "its run is computed again")
    await_more(second, folder)
    second.kill()
    said = second.communicate(timeout=END_S)[1]
    assert second.returncode == -signal.SIGKILL, said

    third = cluster.detabed("sweep", "--resume", str(folder), *address, "--no-report", "--json")
    await_more(third, folder)
    cluster.kill_raylet(1)
    cluster.raylet(1, "n1")
    told, said = third.communicate(timeout=END_S)
    assert third.returncode == 0, said
    assert 0 < json.loads(told)["computed"] < COUNT
    assert invoke(["sweep", scenario, *RUNS, "-o", str(here)]) == 0
    for name in TABLES:
        assert (folder / name).read_bytes() == (here / name).read_bytes()


@pytest.mark.usefixtures("_caches")
def test_what_a_cluster_is_refused_for(
    cluster: RayHosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, scenario = tmp_path / "refused", str(cluster.folder / "s.toml")

    def refused(*arguments: str) -> str:
        process = cluster.detabed("sweep", scenario, *RUNS, *arguments, "-o", str(folder))
        _, said = process.communicate(timeout=END_S)
        assert process.returncode == 2, said
        assert not folder.exists()
        return " ".join(said.split())

    host = cluster.laptop.address
    assert f"no Ray cluster answers at {host}:1 " in refused("--ray", f"{host}:1")
    # The command has other data files than the machines.
    file = tmp_path / "data" / DATASETS[0].path
    file.parent.mkdir(parents=True)
    file.write_text("other")
    monkeypatch.setitem(cluster.protected, "DETABED_DATA_DIR", str(tmp_path / "data"))
    assert "has other large data files than this machine" in refused("--ray", cluster.address)
