"""Whole runs that serve the real small language model: every token's joules are in the books, on fleets of three kinds,
after a kill, and on the wall clock."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from edge_node.language.server import MODULE
from edge_node.slots import link
from edge_node.slots.node import EdgeNode
from experiments.cli import invoke
from experiments.run_folder.verify import verify_run
from protos.messages.parcels import Parcel
from tests.boards.board_hosts import until
from tests.boards.loopback import loopback_boards
from tests.e2e.killing import BOOKED, KillAt
from tests.language_model import MOVING, language_scenario

pytestmark = pytest.mark.processes

POISSON = """arrivals = "poisson"
requests_per_s = 0.05
requests_per_batch = 2
prompt_tokens = 24
answer_tokens = 6"""


def written(folder: Path, kind: str, slots: int) -> Path:
    return language_scenario(folder, POISSON, slots=slots, fleet=f'kind = "{kind}"')


def run(folder: Path, kind: str, slots: int) -> Path:
    written(folder, kind, slots)
    arguments = ["run", str(folder / "scenario.toml"), "--output", str(folder / "run"), "--no-report"]
    assert invoke(arguments) == 0
    return folder / "run"


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{name}.parquet")


@pytest.fixture(scope="module")
def inprocess(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("inprocess"), "inprocess", 2)


def check(folder: Path) -> None:
    """The books are sound, and every joule of the nodes' work has its request."""
    assert verify_run(folder)["ok"]
    requests, serving, lines = (table(folder, name) for name in ("requests", "serving", "lines"))
    assert len(requests) == serving.requests.sum() > 0
    assert not requests[["slot", "owner", "batch_id", "place"]].duplicated().any()
    assert (requests.tokens_cached + requests.tokens_prefilled == 24).all()
    assert (requests.tokens_out == 6).all()
    assert (requests.tokens_decoded == 5).all()
    own = lines[
        (lines.stage == "application")
        & lines.node_id.isin(serving.node_id)
        & lines.component.isin(["compute", "static", "waste"])
    ]
    by_line = own.groupby(["slot", "node_id"])[["energy_j", "operational_g"]].sum()
    requests["energy_j"] = requests.prefill_j + requests.decode_j + requests.wasted_j
    assert (serving.other_wasted_j == 0).all()  # nothing is compared, and no cache is handed over
    by_request = requests.groupby(["slot", "node_id"])[["energy_j", "operational_g"]].sum()
    pd.testing.assert_frame_equal(by_request, by_line.astype(float), check_exact=False, rtol=1e-9)
    assert (requests.first_token_s < requests.latency_s).all()
    assert (requests.wire_bytes > requests.bits / 8).all()


def test_every_joule_of_a_run_has_its_request(inprocess: Path) -> None:
    check(inprocess)


def test_serving_has_the_sums_of_its_requests(inprocess: Path) -> None:
    requests, serving = table(inprocess, "requests"), table(inprocess, "serving")
    sums = [
        "tokens_cached",
        "tokens_prefilled",
        "tokens_decoded",
        "wire_bytes",
        "bits",
        "prefill_j",
        "decode_j",
    ]
    for name in sums:
        assert serving[name].sum() == pytest.approx(requests[name].sum())
    assert serving.failed_requests.sum() == 0
    row = serving.iloc[0]
    assert row.joules_per_token_prefilled == pytest.approx(row.prefill_j / row.tokens_prefilled)
    assert row.grams_per_1000_tokens > 0
    assert row.tree_serving_bit_per_j > row.ee_serving_bit_per_j


def test_a_fleet_in_processes_of_its_own_serves_too(tmp_path: Path) -> None:
    check(run(tmp_path, "ray", 1))


def test_killed_between_slots_and_resumed_no_request_is_lost(
    kill_at: KillAt, inprocess: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The servers die with the runner; new ones answer the rest."""
    folder = tmp_path / "run"
    path = written(tmp_path, "inprocess", 2)
    kill_at(BOOKED, 1, "after", "run", str(path), "-o", str(folder), "--no-report")
    assert invoke(["resume", str(folder), "--no-report", "--json"]) == 0
    (resumption,) = json.loads(capsys.readouterr().out)["resumptions"]["run"]
    assert (resumption["slot"], resumption["lost_slot"]) == (1, None)
    check(folder)
    asked = ["slot", "owner", "batch_id", "place", "tokens_cached", "tokens_prefilled", "tokens_out", "bits"]
    ours, theirs = (table(path, "requests")[asked].sort_values(asked[:4]) for path in (folder, inprocess))
    pd.testing.assert_frame_equal(ours.reset_index(drop=True), theirs.reset_index(drop=True))


def test_on_the_wall_clock_requests_are_answered_in_their_slots(tmp_path: Path) -> None:
    path = written(tmp_path, "inprocess", 2)
    wall = path.read_text().replace("slot_s = 60", 'clock = "wall"\nslot_s = 6')
    # Policies plan with counted operations: at a Raspberry Pi's speed no batch would fit.
    fast = wall.replace("[fleet]", "[board]\neffective_flop_per_s = 5e10\n[fleet]")
    path.write_text(fast.replace("requests_per_s = 0.05", "requests_per_s = 0.4"))
    assert invoke(["run", str(path), "--output", str(tmp_path / "run"), "--no-report"]) == 0
    check(tmp_path / "run")
    slots = table(tmp_path / "run", "slots")
    assert slots["unserved_batches"].sum() == 0
    assert set(table(tmp_path / "run", "requests")["slot"]) == {0, 1}


def test_daemons_on_this_machine_serve_too(tmp_path: Path) -> None:
    """Each starts a server of its own, which ends with its assignment."""
    with loopback_boards(tmp_path, 2) as (boards, fleet):
        path = language_scenario(tmp_path, POISSON, slots=1, fleet=fleet)
        assert invoke(["run", str(path), "--output", str(tmp_path / "run"), "--no-report"]) == 0
        check(tmp_path / "run")
        until(lambda: not any(servers_of(process.pid) for process in boards.processes.values()))


def servers_of(pid: int) -> list[int]:
    """Language servers that a daemon has started."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended, or is about to: a zombie has no command line
            found += [child.pid] if MODULE in child.cmdline() else []
    return found


SHARED = """arrivals = "batches"
batches_per_slot = 4
requests_per_batch = 2
prompt_tokens = 64
answer_tokens = 16"""


@pytest.mark.parametrize("kind", ["inprocess", "ray"])
def test_prompts_are_read_on_one_node_and_answered_on_another(kind: str, tmp_path: Path) -> None:
    """The clean node has no time for more whole batches, and time for two answers."""
    told: dict[str, Any] = {"policy": "deta-hand-over", "slots": 1, "slot_s": 200, "tables": MOVING}
    told["round_deadline_s"] = 600  # on a busy machine reading may take long
    path, folder = language_scenario(tmp_path, SHARED, fleet=f'kind = "{kind}"', **told), tmp_path / "run"
    assert invoke(["run", str(path), "--output", str(folder)]) == 0
    assert verify_run(folder)["ok"]
    requests = table(folder, "requests")
    read, written = requests[requests.part == "read"], requests[requests.part == "write"]
    assert table(folder, "decisions").handed_batches.tolist() == [2]
    assert len(read) == len(written) == 4
    key = ["slot", "owner", "batch_id", "place"]
    both = read.merge(written, on=key, suffixes=("_read", "_written"))
    assert len(both) == 4
    assert (both.node_id_read == both.owner).all()
    assert (both.node_id_written != both.owner).all()
    assert (both.cache_bytes_read == both.cache_bytes_written).all()
    assert (both.decode_j_read == 0).all()
    assert (both.prefill_j_written == 0).all()
    assert (both.prefill_j_read > both.decode_j_written / 2).all()
    assert (both.tokens_cached_written == 64).all()
    assert written.same_answer.dropna().tolist() == [True]
    assert (both.first_token_s_written < both.latency_s_written).all()
    flows = table(folder, "batch_flows")
    assert flows.payload_bytes.sum() > both.cache_bytes_written.sum()
    assert "1 of 1" in (folder / "report.html").read_text()


def test_batches_that_come_back_are_answered_at_home_in_their_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node sends all that it has, and the other one takes none of it."""
    refused: list[tuple[str, int]] = []

    def lost(node: EdgeNode, links: object, parcel: Parcel) -> None:
        refused.append((node.node_id, len(parcel.batch_ids)))
        node.parcel_failed(parcel)

    monkeypatch.setattr(link, "deliver_locally", lost)
    told = POISSON.replace('"poisson"\nrequests_per_s = 0.05', '"batches"\nbatches_per_slot = 1')
    path = language_scenario(tmp_path, told, policy="dat", slots=1, slot_s=200, tables=MOVING)
    folder = tmp_path / "run"
    assert invoke(["run", str(path), "--output", str(folder), "--no-report"]) == 0
    assert [batches for _, batches in refused] == [1]  # of one
    check(folder)
    requests = table(folder, "requests")
    assert (requests.node_id == requests.owner).all()
    assert requests.groupby("owner").size().tolist() == [2, 2]
    assert table(folder, "slots").unserved_batches.sum() == 0
