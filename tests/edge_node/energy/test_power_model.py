"""Power of a board: what a batch costs above static power, how long it takes, what a slot costs at rest."""

from __future__ import annotations

import pytest

from edge_node.config import BoardConfig
from edge_node.energy.boards import load_board
from edge_node.energy.power_model import PowerModel, PowerModelError
from edge_node.workload import Calibrated, WorkCost
from protos.messages.terms import Stage
from protos.messages.work import WorkProfile
from tests.edge_node.boards import BOARD


def test_a_batch_costs_what_the_board_draws_above_static() -> None:
    board = load_board("raspberry-pi-4b").config()
    profile = PowerModel(board).work_profile(Stage.DEVELOPMENT, WorkCost(5e8, 4_000))
    assert profile.seconds_per_batch == pytest.approx(0.5)
    assert profile.joules_per_batch == pytest.approx(0.5 * (6.0 - 3.0))
    assert profile.bytes_per_batch == 4_000


def test_a_calibrated_cost_takes_the_place_of_counted_operations() -> None:
    board = load_board("raspberry-pi-4b").config()
    cost = WorkCost(5e8, 4_000, down_bytes=100.0, measured=Calibrated(seconds=2.0, joules=7.0))
    profile = PowerModel(board).work_profile(Stage.APPLICATION, cost)
    assert profile.calibrated
    assert profile.seconds_per_batch == 2.0
    assert profile.joules_per_batch == pytest.approx(7.0 + 100.0 * board.tx_j_per_byte)
    assert not PowerModel(board).work_profile(Stage.APPLICATION, WorkCost(5e8, 4_000)).calibrated


def test_boards_that_contradict_themselves_are_refused() -> None:
    good = load_board("raspberry-pi-4b").config().model_dump()
    with pytest.raises(PowerModelError, match="busy_w"):
        PowerModel(BoardConfig(**{**good, "busy_w": 1.0}))
    with pytest.raises(PowerModelError, match="sleep_w"):
        PowerModel(BoardConfig(**{**good, "sleep_w": 5.0}))


@pytest.mark.parametrize(
    ("stage", "model_j"),
    [
        (Stage.PREPARATION, 0.0),
        (Stage.DEVELOPMENT, 16 * 0.25 + 16 * 0.5),
        (Stage.APPLICATION, 16 * 0.25),
        (Stage.RECYCLING, 16 * 0.25 + 16 * 0.5),
        (Stage.UNALLOCATED, 0.0),
    ],
)
def test_a_profile_of_work_whole_by_hand(stage: Stage, model_j: float) -> None:
    """1e5 operations: 0.5 s and 2 J; 30 B asked: 7.5 J; 10 B answered: 5 J; a model of 16 B comes, and goes back
    trained."""
    cost = WorkCost(1e5, 140, 16, 30, 10)
    assert PowerModel(BOARD).work_profile(stage, cost) == WorkProfile(
        stage, 0.5, 2.0 + 7.5 + 5.0, 140, model_j, 7.5
    )


def test_boards_at_the_ends_of_what_is_allowed() -> None:
    same = BOARD.model_copy(update={"busy_w": 2.5, "sleep_w": 2.5})
    assert PowerModel(same).dynamic_w == 0.0
    assert PowerModel(BOARD).dynamic_w == 4.0
    assert (PowerModel(BOARD).busy_s(1e5), PowerModel(BOARD).compute_j(1e5)) == (0.5, 2.0)
