"""Requests that two nodes share, with two real servers of the real small model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_node.config import LanguageConfig
from edge_node.language.ask import GoneError
from edge_node.language.asked import Asked
from edge_node.language.comparing import COMPARED_EVERY
from edge_node.language.node_server import NodeServer
from edge_node.language.work import LanguageWorkload
from edge_node.meters.base import MeterContext
from edge_node.meters.modelled import ModelledMeter
from edge_node.meters.pieces import Pieces
from edge_node.workload import HANDED, Aside, InferResult
from protos.messages.parcels import HandedPrompt
from protos.messages.terms import Component, RequestPart, Stage
from tests.edge_node.language.real_node import (
    BOARD,
    CHINESE,
    SERVING,
    Node,
    real_config,
    tokens_of,
    two_nodes,
)

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


def test_a_first_token_within_a_character_is_handed_over(
    pair: tuple[Node, Node], config: LanguageConfig
) -> None:
    """The stream has no event for it; the answer goes on in mid-character, and is that of one node."""
    one, _ = pair
    text = tokens_of(one, CHINESE)
    asker = one.server.ready()
    length = next(
        n
        for n in range(len(text), 20, -1)
        if not asker.ask(text[:n], 1, with_tokens=True, cached=False).tokens
    )
    batch = dict(one.work.batch(5, Stage.APPLICATION))
    batch["tokens"] = np.array([[*text[:length], *[0] * (40 - length)]] * 2, dtype=np.int32)
    batch["lengths"] = np.array([[length, 6]] * 2, dtype=np.int32)
    one.meter.begin()
    found = one.work.read(batch)
    assert [each.use.failed for each in found] == ["", ""]
    alone = asker.ask_in_one(text[:length], 6, cached=False)
    handed = np.empty(2, dtype=object)
    handed[:] = [each.prompt for each in found]
    assert [(each.first_token, each.first_text) for each in handed] == [(alone.tokens[0], b"")] * 2
    fresh = Node(config)  # which compares its first answer
    try:
        fresh.meter.begin()
        first, second = fresh.work.infer({}, [{**batch, HANDED: handed}]).uses
        assert (first.same, second.same) == (True, None)
        for use in (first, second):
            assert (use.part, use.failed, use.tokens_out) == (RequestPart.WRITE, "", 6)
            assert (use.cached_tokens, use.prefilled_tokens) == (length, 0)
        wrong = replace(handed[0], first_token=alone.tokens[1])
        asked = Asked(text[:length], 6, 100)
        said = fresh.work._split._continued(asked, wrong)
        ((_, same),) = fresh.work._split._alone(asked, wrong, said)
        assert not same
    finally:
        fresh.server.stop()


def test_a_folder_is_left_empty(pair: tuple[Node, Node]) -> None:
    for node in pair:
        server = node.server._server
        assert server is not None
        assert not list(Path(server.cache_folder).iterdir())


@pytest.mark.parametrize("reads", [True, False])
def test_under_a_meter_that_counts_a_server_that_dies_at_a_shared_prompt_books_waste(
    config: LanguageConfig, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    """It dies while it reads a prompt for another node, or while it goes on from another's cache."""
    meter = ModelledMeter(MeterContext(BOARD, 100.0))
    server = NodeServer("n0", config)
    work = LanguageWorkload(config, 2, (1, 0), server, Pieces(meter, BOARD))

    def dies(*args: object, **named: object) -> None:
        raise GoneError("the server broke off")

    monkeypatch.setattr(server, "ready", lambda: SimpleNamespace(ask=dies, ask_in_one=dies))
    monkeypatch.setattr(server, "put", lambda cache: None)
    meter.open(0)
    asked = Asked(list(range(40)), 6, 100)
    if reads:
        found = work._split.read(asked)
        assert found.prompt is None
        spent: Any = found.use
        assert (spent.part, spent.up_bytes) == (RequestPart.READ, 0)
    else:
        sha256 = hashlib.sha256(b"cache").hexdigest()
        spent = work._split.write(
            asked, HandedPrompt(0, 0, 40, 1, b"", 0.0, work._split._kin(), sha256, b"cache")
        )
        assert isinstance(spent, Aside)
    waste = {line.component: line.energy_uj for line in meter.close(SERVING)}[Component.WASTE]
    assert waste == round(1e6 * spent.compute_j) > 0
