"""Several users on one edge server: how each shares out its inferences, and what that costs all of them."""

from __future__ import annotations

import pandas as pd
import pytest

from edge_node.energy.boards import load_board
from edge_node.splitting.controller import Option, Rules, Scene
from edge_node.splitting.energy import Split
from edge_node.splitting.parameters import DEFAULT_BOARD, load_parameters
from experiments.studies.terminal.users import (
    ALL_LOCAL,
    ALONE,
    INFORMED,
    USERS,
    USERS_DISTANCES_M,
    Shared,
    judge,
    users_table,
)

PARAMETERS = load_parameters()
SCENE = Scene(PARAMETERS.terminal(load_board(DEFAULT_BOARD)), PARAMETERS.server(), PARAMETERS.access_point())
OPTIONS = {
    "local": Option("local", Split(6e6, 0.0, 0.0, 0.0), 0.97),
    "full": Option("full", Split(0.0, 6e6, 2319.0, 55.0), 0.97),
    "cut": Option("cut", Split(1e6, 5e6, 300.0, 55.0), 0.96),
    "poor": Option("poor", Split(1e5, 5e6, 99.0, 55.0), 0.5),
}
RULES = Rules(deadline_s=0.1, least_accuracy_fraction=0.95)
LINKS = {distance: PARAMETERS.link(distance) for distance in USERS_DISTANCES_M}


@pytest.fixture(scope="module")
def users() -> pd.DataFrame:
    return users_table(OPTIONS, SCENE, LINKS, RULES, 0, lambda what: None)


def test_every_scene_has_every_way_and_the_inaccurate_option_is_never_run(users: pd.DataFrame) -> None:
    assert len(users) == len(USERS_DISTANCES_M) * 2 * len(USERS) * 5
    assert not users["runs"].str.contains("poor").any()
    assert (users["system_j"] >= users["terminal_j"]).all()
    assert (users["latency_p95_s"] >= users["latency_p50_s"]).all()
    assert (users["waiting_j"] >= -1e-12).all()


def test_computing_locally_does_not_notice_other_users(users: pd.DataFrame) -> None:
    local = users[users["way"] == ALL_LOCAL]
    assert local["terminal_j"].max() == pytest.approx(local["terminal_j"].min())
    assert (local["server_load_fraction"] == 0).all()


def test_more_users_that_offload_spend_more_each(users: pd.DataFrame) -> None:
    for _, part in users[users["way"].isin(["all full", "all partial"])].groupby(
        ["distance_m", "server_flop_per_s", "way"]
    ):
        assert part.sort_values("users")["terminal_j"].is_monotonic_increasing


def test_one_informed_user_decides_as_one_alone(users: pd.DataFrame) -> None:
    one = users[users["users"] == 1].set_index(["distance_m", "server_flop_per_s"])
    informed, alone = one[one["way"] == INFORMED], one[one["way"] == ALONE]
    assert (informed["terminal_j"] <= alone["terminal_j"] + 1e-12).all()


def test_no_informed_user_gains_by_another_option_once_nobody_changes() -> None:
    shared = Shared(
        {name: OPTIONS[name] for name in ("local", "full", "cut")},
        SCENE,
        LINKS[1000.0],
        RULES,
        [0.0, 0.03, 0.06, 0.09],
    )
    chosen = shared.informed()
    assert [shared._answer(chosen, user) for user in range(4)] == chosen


def test_verdicts_follow_the_table(users: pd.DataFrame) -> None:
    assert judge(users)["one-user"]["verdict"] == "met"
    worse = users.copy()
    worse.loc[worse["way"] == INFORMED, "late_fraction"] = 1.0
    worse.loc[worse["way"] == ALONE, "late_fraction"] = 0.0
    assert judge(worse)["users"]["verdict"] == "not met"


def test_bytes_up_are_those_of_what_users_run(users: pd.DataFrame) -> None:
    sent = users.groupby("way")["up_bytes"]
    assert sent.get_group(ALL_LOCAL).eq(0.0).all()
    assert sent.get_group("all full").eq(2319.0).all()
    assert sent.get_group("all partial").eq(300.0).all()
    assert "bytes up instead of" in judge(users)["users"]["ours"]
