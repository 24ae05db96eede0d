"""Daemons on three hosts for real: a laptop and two boards, mutual TLS everywhere."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors.numpy import load_file

import detabed
from experiments.run_folder.files import MODEL
from tests.boards.board_hosts import PORT, Boards, until
from tests.boards.hosts import ROOT, Host, environment, hosts
from tests.boards.test_ray_cluster import SCENARIO

pytestmark = pytest.mark.processes
_ON_BOARDS = """
[fleet]
kind = "daemons"
cluster = "boards.toml"
appear_s = {appear_s}
[coordinator]
host = "{host}"
lease_s = {lease_s}
"""
IN_PROCESS = """
[fleet]
kind = "inprocess"
"""
APP = """name = "app"
policy = "det"
[time]
start = 2022-06-21T16:00:00Z
[task]
app = "{app}"
round_flop = 1e12
evaluate_flop = 1e11
{fleet}
[[nodes]]
zone = "US-NW-SCL"
[[nodes]]
zone = "US-SE-SOCO"
"""
OWN_MODEL = """name = "own-model"
policy = "deta"
[time]
start = 2022-06-21T16:00:00Z
[stages]
preparation = 0
development = 3
application = 1
recycling = 0
[task]
name = "lab_task:task"
learning_rate = 0.01
partition = "dirichlet"
[network]
net_j_per_byte = 0
[board]
tx_j_per_byte = 0
rx_j_per_byte = 0
{fleet}
[[nodes]]
zone = "PL"
[[nodes]]
zone = "SE-SE3"
harvest = { kind = "pv", peak_w = 30 }
battery = { capacity_wh = 20 }
"""
LAB_TASK = '''"""Batch normalisation that stays at home, and Adam."""
import torch
from torch import nn
from torch.utils.data import TensorDataset

from detabed import TorchTask

x = torch.rand(240, 6, generator=torch.Generator().manual_seed(0))
y = (x[:, :3].sum(1) > x[:, 3:].sum(1)).long()


def model():
    return nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 2))


task = TorchTask(
    model,
    TensorDataset(x[:200], y[:200]),
    TensorDataset(x[200:], y[200:]),
    optimizer=torch.optim.Adam,
    local=(nn.BatchNorm1d,),
)
'''
END_S = 400
PATIENT_S, LEASE_S = 60.0, 6.0
"""Leases: where no board is to be missed, however busy the machine, and where one is (the default)."""


def on_boards(host: Host, lease_s: float = PATIENT_S, appear_s: float = 240.0) -> str:
    """Fleet and coordinator of a scenario on the daemons of ``boards.toml``, with the coordinator on ``host``."""
    return _ON_BOARDS.format(host=host.address, lease_s=lease_s, appear_s=appear_s)


class Cluster:
    """A laptop and two boards whose daemons run."""

    def __init__(self, made: tuple[Host, ...], folder: Path) -> None:
        self.laptop, self.folder = made[0], folder
        self.hosts = {f"n{k}": host for k, host in enumerate(made[1:])}

        def start(node_id: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
            return self.hosts[node_id].start(sys.executable, *arguments, **options)

        addresses = {node_id: host.address for node_id, host in self.hosts.items()}
        self.boards = Boards(folder, addresses, f"{self.laptop.address}:{PORT}", start)

    def written(self, name: str, rounds: int, more: str | None = None, **changes: float) -> Path:
        path = self.folder / f"{name}.toml"
        where = on_boards(self.laptop, **changes) if more is None else more
        path.write_text(SCENARIO.format(rounds=rounds, more=where))
        return path

    def both(self, text: str, folder: Path) -> tuple[Any, Any]:
        """The runs of a scenario on the boards and in one process. ``text`` has ``{fleet}`` where its fleet stands."""
        found = []
        for name, fleet in (
            ("there", on_boards(self.laptop)),
            ("here", IN_PROCESS),
        ):
            path = self.folder / f"{folder.name}-{name}.toml"
            path.write_text(text.replace("{fleet}", fleet))
            process = self.run(path, folder / name)
            _, errors = process.communicate(timeout=END_S)
            assert process.returncode == 0, errors
            found.append(detabed.open(folder / name))
        assert found[0].verify()["ok"]
        return found[0], found[1]

    def run(self, scenario: Path, folder: Path) -> subprocess.Popen[str]:
        return self.laptop.start(
            *(sys.executable, "-P", "-m", "experiments.cli", "run", str(scenario)),
            *("-o", str(folder), "--json", "--no-report"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            cwd=self.folder,
        )


def slot_of(folder: Path) -> int:
    """First slot that is not booked yet, as the nodes' log of Flower tells."""
    path = folder / "flower.log"
    return path.read_text().count("[ROUND ") if path.exists() else 0


def gap_of(run: Any, node_id: str) -> tuple[pd.DataFrame, int, int]:
    """The node's slots, and the first and the last that it missed."""
    mine = run.slots[run.slots["node_id"] == node_id].sort_values("slot").reset_index(drop=True)
    gap = mine["demand_j"].isna()
    return mine, int(gap.idxmax()), int(gap[::-1].idxmax())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with hosts(3) as made:
        found = Cluster(made, tmp_path_factory.mktemp("daemons"))
        for node_id in found.hosts:
            found.boards.daemon(node_id)
        yield found
        found.boards.end()


def test_daemons_on_boards_do_what_nodes_in_one_process_do(cluster: Cluster, tmp_path: Path) -> None:
    process = cluster.run(cluster.written("equal", 4), tmp_path / "there")
    _, errors = process.communicate(timeout=END_S)
    assert process.returncode == 0, errors
    there = detabed.open(tmp_path / "there")
    here = detabed.run(
        cluster.written("here", 4, '[fleet]\nkind = "inprocess"'), output=tmp_path / "here", progress=False
    )
    for table in ("slots", "lines", "energy_flows", "batch_flows"):
        joules = [
            column for column in getattr(here, table).columns if column.endswith(("_uj", "_j", "batches"))
        ]
        pd.testing.assert_frame_equal(getattr(there, table)[joules], getattr(here, table)[joules])
    assert (there.batch_flows["owner"] != there.batch_flows["executor"]).any()
    assert there.slots["unserved_batches"].sum() == 0
    assert there.verify()["ok"]
    assert "mutual TLS" in there.metadata["transport_security"]
    for node_id, host in cluster.hosts.items():
        assert cluster.boards.told(node_id)[-1]["peer_address"].startswith(f"{host.address}:")


@pytest.mark.parametrize("training", ['kind = "split"\ncut = "relu"', 'kind = "vertical"\nserver = "n1"'])
def test_parts_of_a_model_talk_over_the_boards_streams(
    cluster: Cluster, tmp_path: Path, training: str
) -> None:
    text = SCENARIO.format(rounds=2, more="{fleet}").replace("application = 1", "application = 0")
    there, here = cluster.both(f'policy = "det"\n{text}\n[training]\n{training}\n', tmp_path)
    columns = ["node_id", "slot", "executed_batches", "model_bytes"]
    pd.testing.assert_frame_equal(there.slots[columns], here.slots[columns])
    assert there.slots["unserved_batches"].sum() == 0
    for name, array in load_file(tmp_path / "here" / MODEL).items():
        assert (load_file(tmp_path / "there" / MODEL)[name] == array).all()


def test_an_app_travels_to_boards_and_does_what_it_does_in_one_process(
    cluster: Cluster, tmp_path: Path
) -> None:
    text = APP.replace("{app}", str(ROOT / "tests" / "apps" / "plain"))
    there, here = cluster.both(text, tmp_path)
    for table in ("rounds", "slots", "lines"):
        pd.testing.assert_frame_equal(getattr(there, table), getattr(here, table))
    (w,), (v,) = (load_file(tmp_path / where / MODEL).values() for where in ("there", "here"))
    assert (w == v).all()
    state = cluster.folder / "n0" / "state"
    until(lambda: not list(state.glob("app-*")))


def test_a_users_model_lies_on_the_boards_and_its_batches_move_between_them(
    cluster: Cluster, tmp_path: Path
) -> None:
    """The module is beside the scenario and in the ``own_code`` of each board, whose daemons never saw it before."""
    for folder in (cluster.folder, *(cluster.boards.own_code(node_id) for node_id in cluster.hosts)):
        (folder / "lab_task.py").write_text(LAB_TASK)
    there, here = cluster.both(OWN_MODEL, tmp_path)
    for table in ("rounds", "slots", "lines", "batch_flows"):
        pd.testing.assert_frame_equal(getattr(there, table), getattr(here, table))
    assert (there.batch_flows["owner"] != there.batch_flows["executor"]).any()


def test_a_daemon_that_is_killed_comes_back_with_the_battery_of_the_ledger(
    cluster: Cluster, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    process = cluster.run(cluster.written("killed", 400, lease_s=LEASE_S), folder)
    until(lambda: slot_of(folder) > 5 or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    killed = cluster.boards.processes["n1"]
    killed.kill()
    killed.wait()
    last = slot_of(folder)
    # A node that is back within its lease misses nothing: the slots go on without it first.
    until(lambda: slot_of(folder) > last + 1 or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    cluster.boards.daemon("n1")
    _, errors = process.communicate(timeout=END_S)
    assert process.returncode == 0, errors
    run = detabed.open(folder)
    assert run.verify()["ok"]
    mine, first, last = gap_of(run, "n1")
    assert mine["demand_j"].isna().loc[first:last].all(), "one gap, explicit"
    after = mine.loc[last + 1 :]
    assert after["executed_batches"].sum() > 0
    assert after["battery_before_j"].iloc[0] == mine["battery_after_j"].loc[first - 1]


def test_a_cut_is_an_explicit_gap_and_the_node_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    process = cluster.run(cluster.written("cut", 400, lease_s=LEASE_S), folder)
    until(lambda: slot_of(folder) > 5 or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    started = len(cluster.boards.told("n1"))
    cluster.hosts["n1"].cut()
    last = slot_of(folder)
    time.sleep(9.0)
    until(lambda: slot_of(folder) > last + 1 or process.poll() is not None)  # without it
    cluster.hosts["n1"].heal()
    _, errors = process.communicate(timeout=END_S)
    assert process.returncode == 0, errors
    run = detabed.open(folder)
    assert run.verify()["ok"]
    mine, _, last = gap_of(run, "n1")
    assert mine.loc[last + 1 :, "executed_batches"].sum() > 0
    assert len(cluster.boards.told("n1")) == started, "the same node as before"


def test_a_laptop_that_is_cut_off_from_all_boards_waits_for_them(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "alone"
    process = cluster.run(cluster.written("alone", 200, lease_s=LEASE_S), folder)
    until(lambda: slot_of(folder) > 5 or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    cluster.laptop.cut()
    time.sleep(25.0)  # longer than a lease and the coordinator's own wait
    cluster.laptop.heal()
    _, errors = process.communicate(timeout=END_S)
    assert process.returncode == 0, errors
    run = detabed.open(folder)
    assert run.verify()["ok"]
    assert run.slots["slot"].nunique() == 202
    last = run.slots[run.slots["slot"] == 201]
    assert last["metered"].all()


def test_markets_on_boards_agree_on_what_they_do_in_one_process(cluster: Cluster, tmp_path: Path) -> None:
    scenarios = [cluster.written("market", 4), cluster.written("table", 4, '[fleet]\nkind = "inprocess"')]
    for scenario in scenarios:
        scenario.write_text('policy = "auction"\n' + scenario.read_text())
    process = cluster.run(scenarios[0], tmp_path / "there")
    _, errors = process.communicate(timeout=END_S)
    assert process.returncode == 0, errors
    there = detabed.open(tmp_path / "there")
    here = detabed.run(scenarios[1], output=tmp_path / "here", progress=False)
    for table in ("slots", "lines", "energy_flows", "batch_flows"):
        pd.testing.assert_frame_equal(getattr(there, table), getattr(here, table))
    assert there.verify()["ok"]


def test_a_board_that_did_not_dial_is_named_and_nothing_starts(cluster: Cluster, tmp_path: Path) -> None:
    until(lambda: "no stream to" in cluster.boards.said("n1"))
    daemon = cluster.boards.processes["n1"]
    daemon.terminate()
    assert daemon.wait(60) == 0
    process = cluster.run(cluster.written("missing", 4, appear_s=20.0), tmp_path / "missing")
    _, errors = process.communicate(timeout=END_S)
    assert process.returncode == 2
    assert "n1 did not dial" in " ".join(errors.split())
    assert "(there: n0;" in " ".join(errors.split())
    assert not (tmp_path / "missing").exists()
    cluster.boards.daemon("n1")
