"""Requests that two nodes share, with two real servers of the real small model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_node.config import LanguageConfig
from edge_node.language.split import COMPARED_EVERY
from edge_node.workload import HANDED, InferResult
from protos.messages.parcels import HandedPrompt
from protos.messages.terms import Component, RequestPart, Stage
from tests.edge_node.language.real_node import Node, real_config, two_nodes

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def config() -> LanguageConfig:
    found = real_config()
    assert found.cache_bytes_per_token == 23_040
    return found


@pytest.fixture(scope="module")
def pair(config: LanguageConfig) -> Iterator[tuple[Node, Node]]:
    with two_nodes(Node, config) as made:
        yield made


def read(node: Node, batch_id: int) -> list[HandedPrompt]:
    node.meter.begin()
    batch = node.work.batch(batch_id, Stage.APPLICATION)
    found = node.work.read(batch)
    assert [each.use.part for each in found] == [RequestPart.READ] * 2
    assert all(each.use.tokens_out == 0 and each.use.prefilled_tokens == 40 for each in found)
    return [each.prompt for each in found if each.prompt is not None]


def write(node: Node, owner: Node, batch_id: int, prompts: list[HandedPrompt]) -> InferResult:
    handed = np.empty(len(prompts), dtype=object)
    handed[:] = prompts
    batch = owner.work.batch(batch_id, Stage.APPLICATION)
    node.meter.begin()
    return node.work.infer({}, [{**batch, HANDED: handed}])


def test_the_answer_is_that_of_one_node_and_only_decoding_is_done_again(pair: tuple[Node, Node]) -> None:
    one, two = pair
    cost = one.work.cost(Stage.APPLICATION)
    assert cost.split is not None
    prompts = read(one, 1)
    size = sum(len(prompt.cache) for prompt in prompts)
    assert size == pytest.approx(cost.split.cache_bytes, rel=0.005)
    result = write(two, one, 1, prompts)
    first, second = result.uses
    assert (first.part, first.same, second.same) == (RequestPart.WRITE, True, None)
    assert (first.cached_tokens, first.prefilled_tokens, first.tokens_out) == (40, 0, 6)
    assert (result.requests, result.input_tokens, result.output_tokens) == (2, 80, 12)
    whole = two.infer(1)  # the same requests, this node's own
    assert result.payload_bits > 0
    assert sum(use.flop for use in result.uses) < sum(use.flop for use in whole.uses) / 2
    assert COMPARED_EVERY > 2


def test_the_comparison_is_waste(pair: tuple[Node, Node], config: LanguageConfig) -> None:
    one, _ = pair
    fresh = Node(config)
    try:
        result = write(fresh, one, 2, read(one, 2))
        energies = fresh.energies()
        assert result.uses[0].same is True
        assert energies[Stage.APPLICATION, Component.WASTE] > 0
    finally:
        fresh.server.stop()


@pytest.mark.parametrize("broken", ["kin", "content", "tokens"])
def test_a_cache_that_cannot_be_used_is_read_again(pair: tuple[Node, Node], broken: str) -> None:
    one, two = pair
    prompt, other = read(one, 3)
    changes = {
        "kin": {"kin": "another"},
        "content": {"cache": prompt.cache[:-1] + b"x"},
        "tokens": {"tokens": prompt.tokens - 1},
    }[broken]
    first, second = write(two, one, 3, [replace(prompt, **changes), other]).uses
    assert (first.part, first.cached_tokens + first.prefilled_tokens, first.tokens_out) == (
        RequestPart.WHOLE,
        40,
        6,
    )
    assert second.part is RequestPart.WRITE
    assert not first.failed


def test_a_prompt_that_cannot_be_read_is_a_failed_part(pair: tuple[Node, Node]) -> None:
    one, _ = pair
    batch = dict(one.work.batch(4, Stage.APPLICATION))
    batch["lengths"] = np.array([[40, 1], [40, 6]], dtype=np.int32)
    one.meter.begin()
    first, second = one.work.read(batch)
    assert (first.prompt, first.use.part) == (None, RequestPart.READ)
    assert first.use.failed
    assert second.prompt is not None


def test_a_folder_is_left_empty(pair: tuple[Node, Node]) -> None:
    for node in pair:
        server = node.server._server
        assert server is not None
        assert not list(Path(server.cache_folder).iterdir())
