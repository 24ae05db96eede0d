"""Operations are those that nodes register and count."""

from __future__ import annotations

import pytest

from edge_node.config import InferenceConfig, TaskConfig
from edge_node.energy.boards import load_board
from edge_node.tasks.build import build_workload
from experiments.errors import UsageError
from experiments.scenario.model import parse_scenario
from experiments.twin.operations import Operations
from protos.messages.terms import Stage
from tests.scenarios import SMALL, TINY

BOARD = load_board("raspberry-pi-4b").config()
SERVICE = """[[inference.services]]
task = "tiny-gpt"
name = "chat"
requests_per_s = 1
prompt_tokens = 4
answer_tokens = 3
"""


def test_a_batch_and_a_request_are_the_task_s() -> None:
    found = Operations(parse_scenario(SMALL + SERVICE, "small.toml"), BOARD)
    config = TaskConfig(
        name="mnist-mlp",
        batch_size=16,
        batches_per_slot=1,
        learning_rate=0.1,
        partitions=1,
        partition_index=0,
    )
    workload = build_workload(config, InferenceConfig(requests_per_batch=16))
    for stage in (Stage.PREPARATION, Stage.DEVELOPMENT, Stage.RECYCLING):
        assert found.of_batch(stage) == workload.cost(stage.value).flop_per_batch
    assert 16 * found.of_request("mnist-mlp") == workload.cost(Stage.APPLICATION).flop_per_batch
    chat = workload_of_chat()
    assert found.of_request("chat") == chat


def workload_of_chat() -> float:
    config = TaskConfig(
        name="tiny-gpt",
        data="pydoc",
        batch_size=1,
        batches_per_slot=1,
        learning_rate=0.1,
        partitions=1,
        partition_index=0,
        prompt_tokens=4,
        answer_tokens=3,
    )
    return (
        build_workload(config, InferenceConfig(requests_per_batch=1)).cost(Stage.APPLICATION).flop_per_batch
    )


def test_counted_batches_are_as_large_as_the_scenario_says() -> None:
    text = TINY.replace('data = "digits"', 'name = "none"')
    busy = Operations(parse_scenario(text + "[time]\nslot_s = 30\n", "none.toml"), BOARD)
    assert busy.of_batch(Stage.DEVELOPMENT) == pytest.approx(BOARD.effective_flop_per_s * 30 / 60)
    given = Operations(parse_scenario(text + "[demand]\nflop_per_batch = 1e9\n", "none.toml"), BOARD)
    assert given.of_batch(Stage.DEVELOPMENT) == 1e9


def test_a_service_that_the_scenario_does_not_have_is_refused() -> None:
    found = Operations(parse_scenario(SMALL, "small.toml"), BOARD)
    with pytest.raises(UsageError, match="answers of service 'chat', the run's scenario has mnist-mlp"):
        found.of_request("chat")
