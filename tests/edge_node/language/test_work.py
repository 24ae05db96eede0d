"""The Workload of a node that serves a language model, with the real server and the real small model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from carbon_data.types import DataError
from edge_node.config import LanguageConfig
from edge_node.language.answered import Answering
from edge_node.language.ask import Said
from edge_node.language.asked import Asked
from edge_node.language.node_server import NodeServer
from edge_node.language.prompts import LENGTHS, TEXT_BYTES, TOKENS
from edge_node.language.work import LanguageWorkload, requests_of
from edge_node.meters.pieces import Pieces
from edge_node.workload import RequestUse
from protos.messages.terms import Component, Stage
from tests.edge_node.language.real_node import BOARD, Node, dies_in_mid_answer, real_config

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def config() -> LanguageConfig:
    return real_config()


@pytest.fixture(scope="module")
def node(config: LanguageConfig) -> Iterator[Node]:
    made = Node(config)
    yield made
    made.server.stop()


def test_tokens_bits_and_seconds_are_the_servers(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Said] = []
    use_of = Answering.use

    def kept(answering: Answering, asked: Asked, said: Said, cpu_s: float) -> RequestUse:
        told.append(said)
        return use_of(answering, asked, said, cpu_s)

    monkeypatch.setattr(Answering, "use", kept)
    result = node.infer(0, 1)
    assert (result.requests, result.batches) == (4, 2)
    assert (result.input_tokens, result.output_tokens) == (160, 24)
    for use, said in zip(result.uses, told, strict=True):
        assert use.cached_tokens + use.prefilled_tokens == 40
        assert 0.0 < said.prompt_s < said.prompt_s + said.predicted_s <= said.duration_s
        assert use.prefill_fraction == said.prompt_s / (said.prompt_s + said.predicted_s)
        assert 0 < use.first_s < use.seconds
        assert use.compute_j == pytest.approx(4.0 * use.seconds, rel=0.3)
    content = sum(use.content_bits for use in result.uses)
    assert result.payload_bits == content
    travelled = sum(each.up_bytes + each.down_bytes for each in result.users)
    assert travelled * 8 > 3 * content  # framing is most of what travels
    assert result.metered_flop == result.flop


def test_the_same_number_asks_the_same_and_gets_the_same(node: Node, config: LanguageConfig) -> None:
    batch = node.work.batch(3, Stage.APPLICATION)
    again = node.work.batch(3, Stage.APPLICATION)
    assert all(np.array_equal(batch[name], again[name]) for name in batch)
    assert not np.array_equal(batch[TOKENS], node.work.batch(4, Stage.APPLICATION)[TOKENS])
    first, second = (node.work.infer({}, [batch]).payload_bits for _ in range(2))
    assert first == second
    assert node.work.cost(Stage.APPLICATION).bytes_per_batch == sum(array.nbytes for array in batch.values())


def test_what_was_just_read_is_cached_and_counted_apart(node: Node, config: LanguageConfig) -> None:
    shared = config.model_copy(update={"shared_tokens": 30})
    work = LanguageWorkload(shared, 2, (1, 0), node.server, Pieces(node.meter, BOARD))
    node.meter.begin()
    first, second = work.infer({}, [work.batch(7, Stage.APPLICATION)]).uses
    assert (second.cached_tokens, second.prefilled_tokens) == (30, 10)
    assert first.prefilled_tokens > 30
    assert second.flop - second.decode_flop < first.flop - first.decode_flop


def test_a_server_that_dies_in_mid_request_costs_that_request_alone(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.infer(0)
    node.meter.open(1)
    died = dies_in_mid_answer(node, monkeypatch)
    result = node.infer(5, **{LENGTHS: np.array([[40, 200], [40, 6]], dtype=np.int32)})
    failed, answered = result.uses
    assert "broke off" in failed.failed
    assert (failed.tokens_out, failed.content_bits) == (0, 0)
    assert (answered.failed, answered.tokens_out) == ("", 6)
    assert (result.requests, result.output_tokens) == (1, 6)
    assert failed.compute_j is not None
    assert failed.compute_j > 0.0
    assert node.energies()[Stage.APPLICATION, Component.WASTE] == pytest.approx(failed.compute_j * 1e6, abs=2)
    assert node.server.restarts >= 1
    assert node.server.pid not in (None, died)


def test_a_prompt_longer_than_the_context_fails_with_words_and_the_next_is_answered(node: Node) -> None:
    pid = node.server.pid
    lengths = np.array([[40, 250], [40, 6]], dtype=np.int32)
    failed, answered = node.infer(6, **{LENGTHS: lengths}).uses
    assert "40 tokens of prompt and 250 of answer are more than the context of 256" in failed.failed
    assert not answered.failed
    assert node.server.pid == pid


def test_damaged_lengths_fail_and_the_next_is_answered(node: Node) -> None:
    failed, answered = node.infer(6, **{LENGTHS: np.array([[-3, 6], [40, 6]], dtype=np.int32)}).uses
    assert "damaged on its way" in failed.failed
    assert not answered.failed
    batch = {
        TOKENS: np.ones((1, 4), dtype=np.int32),
        LENGTHS: np.array([[9, 1]], dtype=np.int32),
        TEXT_BYTES: np.array([3], dtype=np.int32),
    }
    assert requests_of(batch)[0].tokens == []


def test_it_neither_learns_nor_prepares(node: Node) -> None:
    with pytest.raises(ValueError, match="trains nothing"):
        node.work.train({}, [], {})
    with pytest.raises(ValueError, match="prepares no data"):
        node.work.prepare([])
    with pytest.raises(ValueError, match="application stage"):
        node.work.batch(0, Stage.DEVELOPMENT)


def test_another_models_hash_is_refused(config: LanguageConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected 0000"):
        NodeServer("n0", config.model_copy(update={"sha256": "0" * 64}))
    with pytest.raises(DataError, match="cannot be read"):
        NodeServer("n0", config.model_copy(update={"path": str(tmp_path / "none.gguf")}))
