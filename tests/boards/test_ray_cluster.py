"""Ray on three hosts for real: a laptop and two boards, certificates and token everywhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import detabed
from experiments.run_folder.checkpoint import read_lines
from tests.boards.hosts import hosts
from tests.boards.ray_hosts import RayHosts, ray_hosts

pytestmark = pytest.mark.processes
SCENARIO = """
name = "boards"
[time]
slot_s = 2.0
[stages]
preparation = 1
development = {rounds}
application = 1
recycling = 0
[task]
data = "digits"
batches_per_slot = 2
{more}
[[nodes]]
zone = "DE"
[[nodes]]
zone = "FR"
harvest = {{ kind = "pv", peak_w = 20 }}
battery = {{ capacity_wh = 2 }}
"""
ON_BOARDS = """
[fleet]
address = "{address}"
boards = true
[coordinator]
host = "{host}"
"""
END_S = 400


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayHosts]:
    with hosts(3) as made, ray_hosts(made, ("n0", "n1")) as found:
        yield found


def written(
    cluster: RayHosts,
    name: str,
    rounds: int,
    more: str | None = None,
    *,
    clock: str = "virtual",
    slot_s: float = 2.0,
) -> Path:
    where = ON_BOARDS.format(address=cluster.address, host=cluster.laptop.address)
    path = cluster.folder / f"{name}.toml"
    more = where if more is None else more
    text = SCENARIO.format(rounds=rounds, more=more)
    path.write_text(text.replace("slot_s = 2.0", f'slot_s = {slot_s}\nclock = "{clock}"'))
    return path


def test_nodes_on_boards_do_what_nodes_in_one_process_do(cluster: RayHosts, tmp_path: Path) -> None:
    process = cluster.detabed(
        "run", str(written(cluster, "equal", 4)), "-o", str(tmp_path / "there"), "--json"
    )
    _, errors = process.communicate(timeout=END_S)
    assert process.returncode == 0, errors
    there = detabed.open(tmp_path / "there")
    here = detabed.run(
        written(cluster, "here", 4, '[fleet]\nkind = "inprocess"'), output=tmp_path / "here", progress=False
    )
    for table in ("slots", "lines", "energy_flows", "batch_flows"):
        joules = [
            column for column in getattr(here, table).columns if column.endswith(("_uj", "_j", "batches"))
        ]
        pd.testing.assert_frame_equal(getattr(there, table)[joules], getattr(here, table)[joules])
    assert (there.batch_flows["owner"] != there.batch_flows["executor"]).any()
    assert there.verify()["ok"]
    assert "mutual TLS" in there.metadata["transport_security"]


def test_a_board_whose_raylet_is_killed_comes_back_with_the_battery_of_the_ledger(
    cluster: RayHosts, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    # Wall clock: Ray takes tens of seconds to miss a board and to start another, whatever else the machine does.
    scenario = written(cluster, "killed", 200, clock="wall", slot_s=0.5)
    process = cluster.detabed("run", str(scenario), "-o", str(folder), "--json")
    end = time.monotonic() + END_S
    while len(read_lines(folder)) < 3:  # some slots are done
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.1)
    cluster.kill_raylet(1)
    cluster.raylet(1, "n1")  # what the board's supervisor does
    _, errors = process.communicate(timeout=END_S)
    assert process.returncode == 0, errors
    assert "nodes are back: n1" in errors
    run = detabed.open(folder)
    assert run.verify()["ok"]
    mine = run.slots[run.slots["node_id"] == "n1"].sort_values("slot").reset_index(drop=True)
    gap = mine["demand_j"].isna()
    first, last = gap.idxmax(), gap[::-1].idxmax()
    assert gap.loc[first:last].all()  # one gap, explicit
    after = mine.loc[last + 1 :]
    assert after["executed_batches"].sum() > 0
    assert after["battery_before_j"].iloc[0] == mine["battery_after_j"].loc[first - 1]


def test_a_board_that_is_missing_is_named_and_nothing_starts(cluster: RayHosts, tmp_path: Path) -> None:
    path = written(cluster, "three", 4)
    path.write_text(path.read_text() + '[[nodes]]\nzone = "GB"\n')
    process = cluster.detabed("run", str(path), "-o", str(tmp_path / "three"))
    _, errors = process.communicate(timeout=END_S)
    assert process.returncode == 2
    assert "has no machine for n2; it has board:n0, board:n1 on 3 machines" in " ".join(errors.split())
    assert not (tmp_path / "three").exists()


def test_another_token_is_refused(cluster: RayHosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text("0" * 64)
    monkeypatch.setitem(cluster.protected, "RAY_AUTH_TOKEN_PATH", str(token))
    process = cluster.detabed("run", str(written(cluster, "stranger", 4)), "-o", str(tmp_path / "stranger"))
    _, errors = process.communicate(timeout=END_S)
    assert process.returncode == 2
    assert "refused this process" in errors
    assert not (tmp_path / "stranger").exists()
