"""Two users on one edge server, executed."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pandas as pd
import pytest

from edge_node.energy.boards import load_board
from edge_node.splitting.controller import Scene
from edge_node.splitting.parameters import DEFAULT_BOARD, load_parameters
from edge_node.splitting.recurrent import RecurrentHead
from experiments.studies.terminal.options import Options, build_options
from experiments.studies.terminal.server import serve
from experiments.studies.terminal.settings import FRAME_PERIOD_S
from experiments.studies.terminal.training import Data, Models, save_models
from experiments.studies.terminal.users_executed import DISTANCE_M, EXECUTED, RUNS, executed_users, judge
from experiments.studies.terminal.video_training import FILE, save_head
from experiments.studies.terminal.wire import Kind, Message, receive

PARAMETERS = load_parameters()
SCENE = Scene(PARAMETERS.terminal(load_board(DEFAULT_BOARD)), PARAMETERS.server(), PARAMETERS.access_point())
COUNT = 4


@pytest.mark.processes
def test_two_users_at_the_same_time_get_the_answers_of_one(
    tmp_path: Path, data: Data, models: Models, recurrent: RecurrentHead
) -> None:
    save_models(models, tmp_path / "m.safetensors")
    save_head(recurrent, tmp_path / FILE)
    advanced: list[str] = []
    facts, measured = executed_users(
        tmp_path / "m.safetensors",
        models.digest,
        tmp_path / "log",
        lambda: build_options(models, recurrent),
        SCENE,
        PARAMETERS.link(DISTANCE_M),
        data.test_frames[:, 0],
        data.test_labels,
        COUNT,
        advanced.append,
    )
    assert len(facts) == len(measured) == len(advanced) == RUNS
    assert set(facts["option"]) == set(EXECUTED)
    assert (facts["served"] == facts["users"] * COUNT).all()
    assert not facts["overlaps"].any()
    assert not facts["overtaken"].any()
    for _, rows in facts.groupby("option"):
        assert rows["up_bytes"].nunique() == 1
        assert rows["max_difference"].max() < 1e-5
    assert judge(facts)["two-users"]["verdict"] == "met"
    # the simulation of one user alone has no queue, and a second one at the same moments waits
    alone, together = (measured[(measured["users"] == n) & (measured["apart_s"] == 0)] for n in (1, 2))
    in_time = (
        alone["server_wall_s"] < FRAME_PERIOD_S
    )  # else each frame waits for the one before, on a busy machine
    assert alone.loc[in_time, "waited_simulated_s"].to_numpy() == pytest.approx(0.0, abs=1e-9)
    assert (together["latency_simulated_s"].to_numpy() > alone["latency_simulated_s"].to_numpy()).all()


def test_a_frame_served_out_of_turn_is_noticed() -> None:
    row = {"users": 2, "frames": 5, "served": 10, "max_difference": 0.0, "overlaps": 0, "overtaken": 0}
    assert judge(pd.DataFrame([row]))["two-users"]["verdict"] == "met"
    for change in ({"overtaken": 1}, {"overlaps": 1}, {"served": 9}, {"max_difference": 0.1}):
        assert judge(pd.DataFrame([row | change]))["two-users"]["verdict"] == "not met", change


def test_what_one_user_sent_is_not_remembered_of_another(
    models: Models, recurrent: RecurrentHead, data: Data
) -> None:
    """The video-like model keeps a state: a second user's first frame is answered as a first frame."""
    options: list[Options] = [build_options(models, recurrent) for _ in range(2)]
    pairs = [socket.socketpair() for _ in range(2)]
    worker = threading.Thread(target=serve, args=([there for _, there in pairs], options))
    worker.start()
    name = next(one.name for one in options[0].offload if "video" in one.name)
    index = options[0].index(name)
    frames = data.test_frames[:2, 0]

    def ask(user: int, frame: int) -> bytes:
        payload = options[user].offload[index].encode(frames[frame])
        pairs[user][0].sendall(Message(Kind.REQUEST, index, 1, payload).encode())
        return receive(pairs[user][0]).payload

    first, after = ask(0, 0), ask(0, 1)
    assert ask(1, 1) != after
    pairs[1][0].sendall(Message(Kind.RESET, index, 2, b"").encode())
    receive(pairs[1][0])
    assert ask(1, 0) == first
    assert ask(1, 1) == after
    for here, _ in pairs:
        here.sendall(Message(Kind.BYE, 0, 0, b"").encode())
    worker.join(120)
    assert not worker.is_alive()
    for here, there in pairs:
        here.close()
        there.close()
