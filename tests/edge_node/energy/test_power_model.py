"""Power of a board: what a batch costs above static power, how long it takes, what a slot costs at rest."""

from __future__ import annotations

import pytest

from edge_node.config import BoardConfig
from edge_node.energy.boards import load_board
from edge_node.energy.power_model import PowerModel, PowerModelError
from edge_node.workload import WorkCost
from protos.messages.terms import Stage


def test_a_batch_costs_what_the_board_draws_above_static() -> None:
    board = load_board("raspberry-pi-4b").config()
    profile = PowerModel(board).work_profile(Stage.DEVELOPMENT, WorkCost(5e8, 4_000))
    assert profile.seconds_per_batch == pytest.approx(0.5)
    assert profile.joules_per_batch == pytest.approx(0.5 * (6.0 - 3.0))
    assert profile.bytes_per_batch == 4_000


def test_boards_that_contradict_themselves_are_refused() -> None:
    good = load_board("raspberry-pi-4b").config().model_dump()
    with pytest.raises(PowerModelError, match="busy_w"):
        PowerModel(BoardConfig(**{**good, "busy_w": 1.0}))
    with pytest.raises(PowerModelError, match="sleep_w"):
        PowerModel(BoardConfig(**{**good, "sleep_w": 5.0}))
