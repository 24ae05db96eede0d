"""Whole runs with users who move in mid-conversation, with the real small language model: read again, handed over, what
is cheaper; on fleets of three kinds, after a kill, and after a node's loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coordinator.adapters.flower_server import SlotOutcome
from experiments.cli import invoke
from experiments.errors import FailedRunError
from experiments.fleet.inprocess import InProcessFleet
from experiments.report.notices import notices
from experiments.report.read import load
from experiments.resolve.resolve import resolve_single
from experiments.run_folder.verify import verify_run
from experiments.runs.recording import Recording
from experiments.runs.run import Hooks, execute
from experiments.scenario.model import load_scenario
from tests.boards.loopback import loopback_boards
from tests.e2e.killing import BOOKED, KillAt
from tests.language_model import IN_PROCESS, MOVING, language_scenario

pytestmark = pytest.mark.processes

TABLE = """[task.llm.conversations]
path = "users.csv"
message_tokens = 16"""
ASKED = """arrivals = "conversations"
prompt_tokens = 40
answer_tokens = 6"""
USERS = {"ann": "n0 n0 n1 n1", "bob": "n1 n0 n0 n1"}
"""Where each is, slot by slot."""
KEY = ["conversation", "turn"]


def written(
    folder: Path,
    policy: str,
    fleet: str = IN_PROCESS,
    users: dict[str, str] | None = None,
    nodes: int = 2,
    lease_s: float = 60,
) -> Path:
    rows = [
        f"{user},{slot},{node}"
        for user, where in (users or USERS).items()
        for slot, node in enumerate(where.split())
    ]
    (folder / "users.csv").write_text("\n".join(["user,slot,node_id", *rows]) + "\n")
    told: dict[str, Any] = {
        "policy": policy,
        "lease_s": lease_s,
        "slots": 4,
        "slot_s": 200,
        "task": TABLE,
        "tables": MOVING,
    }
    return language_scenario(folder, ASKED, fleet=fleet, nodes=nodes, **told)


def run(folder: Path, policy: str, report: bool = False, **options: Any) -> Path:
    path = written(folder, policy, **options)
    draw = "--report" if report else "--no-report"
    assert invoke(["run", str(path), "--output", str(folder / "run"), draw]) == 0
    return folder / "run"


def requests(folder: Path) -> pd.DataFrame:
    """In the order of turns. The books are sound, and no turn is there twice."""
    assert verify_run(folder)["ok"]
    found = pd.read_parquet(folder / "requests.parquet").sort_values(KEY).reset_index(drop=True)
    assert not found[KEY].duplicated().any()
    assert found["failed"].isna().all()
    return found


def parts(rows: pd.DataFrame, conversation: int) -> list[str]:
    own = rows[rows["conversation"] == conversation]
    return own["part"].fillna("first").tolist()


MOVES = {
    "follow-prefill": ["read-again", "read-again", "read-again"],
    "follow-hand-over": ["continued", "continued", "continued"],
    "follow-cheaper": ["continued", "read-again", "continued"],
}
"""With what the turns of users who had moved are answered: ann's third, bob's second and fourth. At n0 the grid is
clean, and reading again there has fewer grams than a cache from n1."""


@pytest.mark.parametrize("policy", MOVES)
def test_turns_are_answered_where_their_users_are(policy: str, tmp_path: Path) -> None:
    ann, bob, back = MOVES[policy]
    folder = run(tmp_path, policy, report="continued" in MOVES[policy])
    rows = requests(folder)
    assert len(rows) == 8
    assert (rows["node_id"] == rows["user_at"]).all()
    assert parts(rows, 0) == ["first", "kept", ann, "kept"]
    assert parts(rows, 1) == ["first", bob, "kept", back]
    assert (rows["tokens_cached"] + rows["tokens_prefilled"] == 40 + 22 * rows["turn"]).all()
    history = 40 + 22 * rows["turn"] - 17
    cached = rows["part"].isin(["kept", "continued"])
    assert (rows["tokens_cached"] == history.where(cached, 0)).all()
    assert (rows["tokens_decoded"] == 5).all()
    moved = rows[rows["read_again_g"].notna()]
    assert list(zip(moved["conversation"], moved["turn"], strict=True)) == [(0, 2), (1, 1), (1, 3)]
    cheaper = moved["hand_over_g"] < moved["read_again_g"]
    assert cheaper.tolist() == [True, False, True]
    came = rows[rows["part"].eq("continued")]
    size = [23_040 * tokens for tokens in came["tokens_cached"]]
    assert came["cache_bytes"].tolist() == pytest.approx(size, rel=0.005)
    assert (came["handed_j"] > 0).all()
    assert (moved[moved["part"].eq("read-again")]["handed_j"] == 0).all()
    flows = pd.read_parquet(folder / "batch_flows.parquet")
    assert 0 < flows["payload_bytes"].sum() - came["cache_bytes"].sum() < 10_000
    compared = came["same_answer"].dropna()  # of each node's first one
    assert compared.tolist() == [True] * came["node_id"].nunique()
    serving = pd.read_parquet(folder / "serving.parquet")
    assert set(serving[serving["other_wasted_j"] > 0]["node_id"]) == set(came["node_id"])  # the comparisons
    assert (rows["wasted_j"] == 0).all()
    if len(came):
        assert pd.read_parquet(folder / "decisions.parquet")["handed_batches"].sum() == len(came)
        assert f"{len(compared)} of {len(compared)}" in (folder / "report.html").read_text()


def test_nodes_in_processes_of_their_own_exchange_conversations(tmp_path: Path) -> None:
    rows = requests(run(tmp_path, "follow-hand-over", fleet='kind = "ray"'))
    assert parts(rows, 0) == ["first", "kept", "continued", "kept"]
    assert parts(rows, 1) == ["first", "continued", "kept", "continued"]


def killed_and_resumed(
    kill_at: KillAt, folder: Path, place: str, count: int, fleet: str = IN_PROCESS
) -> Path:
    """A run that is killed after the ``count``-th call of ``place``, and goes on."""
    path = written(folder, "follow-hand-over", fleet=fleet)
    kill_at(place, count, "after", "run", str(path), "-o", str(folder / "run"), "--no-report")
    assert invoke(["resume", str(folder / "run"), "--no-report"]) == 0
    return folder / "run"


def test_killed_in_mid_conversation_and_resumed_no_turn_is_lost_or_doubled(
    kill_at: KillAt, tmp_path: Path
) -> None:
    """New nodes have no conversation: its answers are in the ledger, it is read again, and that is counted."""
    rows = requests(killed_and_resumed(kill_at, tmp_path, BOOKED, 2))
    assert parts(rows, 0) == ["first", "kept", "recalled", "kept"]
    assert parts(rows, 1) == ["first", "continued", "recalled", "continued"]
    assert "lost_node" not in rows or rows["lost_node"].isna().all()
    assert (rows["tokens_cached"] + rows["tokens_prefilled"] == 40 + 22 * rows["turn"]).all()


def test_killed_in_mid_hand_over_and_resumed_no_turn_is_doubled(kill_at: KillAt, tmp_path: Path) -> None:
    """The cache of bob's second turn is ready, and has not left. That slot has no reading, and its turns are asked in
    the next one, before those that follow them."""
    folder = killed_and_resumed(kill_at, tmp_path, "edge_node.slots.hand_over:HandOver.read", 1)
    rows = requests(folder)
    assert len(rows) == 8
    assert parts(rows, 0) == ["first", "recalled", "kept", "kept"]
    assert parts(rows, 1) == ["first", "recalled", "kept", "continued"]
    again = rows[rows["lost_node"].notna()]
    assert again[["conversation", "turn", "slot", "lost_node", "node_id"]].to_numpy().tolist() == [
        [0, 1, 2, "n0", "n1"],
        [1, 1, 2, "n1", "n0"],
    ]
    # Latency counts from the first time that they were asked, in slot 1: ann's soon after its beginning.
    assert again["latency_s"].tolist()[0] > 100
    assert again["read_again_g"].isna().all()


def test_boards_whose_driver_was_killed_go_on_with_their_conversations(
    kill_at: KillAt, tmp_path: Path
) -> None:
    with loopback_boards(tmp_path, 2) as (_, fleet):
        rows = requests(killed_and_resumed(kill_at, tmp_path, BOOKED, 2, fleet))
    assert len(rows) == 8
    assert "lost" not in set(rows["part"])
    assert (rows["tokens_cached"] + rows["tokens_prefilled"] == 40 + 22 * rows["turn"]).all()


def test_a_daemon_that_is_lost_in_mid_conversation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its turns are asked at nodes that live, which read the conversations again; all others go on."""
    users = {"ann": "n0 n1 n1 n1", "bob": "n2 n2 n1 n2", "eve": "n0 n2 n0 n2"}
    folder = tmp_path / "run"
    finished, lost = Recording.finished, []

    def then_lost(recording: Recording, outcome: SlotOutcome, *figures: float) -> None:
        """Before the third slot begins."""
        finished(recording, outcome, *figures)
        if outcome.slot == 1:
            boards.processes["n1"].kill()
            lost.append("n1")

    monkeypatch.setattr(Recording, "finished", then_lost)
    with loopback_boards(tmp_path, 3) as (boards, fleet):
        path = written(tmp_path, "follow-hand-over", fleet=fleet, users=users, nodes=3, lease_s=6)
        assert invoke(["run", str(path), "--output", str(folder), "--no-report"]) == 0
        assert lost == ["n1"]
    rows = requests(folder)
    assert len(rows) == json.loads((folder / "metadata.json").read_text())["turns"] == 12
    # Ann is at n1 from her second turn on.
    assert parts(rows, 0) == ["first", "continued", "recalled", "kept"]
    ann, bob = (rows[rows["conversation"] == k] for k in (0, 1))
    assert ann["node_id"].tolist() == ["n0", "n1", "n0", "n0"]
    assert ann["lost_node"].fillna("").tolist() == ["", "", "n1", "n1"]
    # n1 may be lost with bob's third turn, or before it: n2, which has the conversation, answers it in either case.
    assert parts(rows, 1) == ["first", "kept", "kept", "kept"]
    assert (bob["node_id"] == "n2").all()
    assert bob["lost_node"].fillna("").tolist()[3] == "n1"
    assert parts(rows, 2) == ["first", "continued", "continued", "continued"]
    assert (rows["tokens_cached"] + rows["tokens_prefilled"] == 40 + 22 * rows["turn"]).all()


@pytest.mark.parametrize("tolerated", [False, True])
def test_a_turn_lost_in_the_last_slot_is_unserved_by_name(tolerated: bool, tmp_path: Path) -> None:
    """No slot comes after it: the run fails, or reports it where the scenario tolerates as much."""
    path = written(tmp_path, "follow-prefill", users={"ann": "n0 n0 n0 n0", "bob": "n1 n1 n1 n1"})
    if tolerated:
        path.write_text(path.read_text() + "[tolerance]\nunserved_fraction = 0.2\n")
    folder = tmp_path / "run"
    with InProcessFleet() as fleet:

        def lose(outcome: SlotOutcome) -> None:
            if outcome.slot == 2:
                fleet.grid.lose(fleet.numbers["n1"])

        hooks = Hooks(on_slot=lose)
        name = "turn 3 of conversation 1 (slot 3, user at n1, lost with n1)"
        if tolerated:
            execute(resolve_single(load_scenario(path)), folder, fleet, hooks)
            (notice,) = [each for each in notices(load(folder)) if each.title == "Unanswered turns"]
            assert "1 of 8 turns" in notice.text
        else:
            with pytest.raises(
                FailedRunError, match=r"1 of 8 batches stayed unserved \(n1 1; lost"
            ) as failed:
                execute(resolve_single(load_scenario(path)), folder, fleet, hooks)
            assert name in str(failed.value)
    rows = requests(folder)
    assert len(rows) == 7
    told = json.loads((folder / "metadata.json").read_text())
    assert [(each["turn"], each["lost_node"]) for each in told["unanswered_turns"]] == [(3, "n1")]
    assert pd.read_parquet(folder / "slots.parquet")["unserved_batches"].sum() == 1
