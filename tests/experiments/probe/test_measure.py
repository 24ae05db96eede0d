"""A probe's requests to llama.cpp's own server, with the model that ships: what docs/tree-probe.md says of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from edge_node.energy.boards import load_board
from edge_node.language.model_file import model_file
from edge_node.language.server import LanguageServer
from experiments.errors import RunError
from experiments.probe.figures import probe_of
from experiments.probe.measure import Plan, measure
from experiments.probe.meters import CpuTimeMeter
from experiments.probe.prompts import Prompts
from experiments.probe.server import ModelServer
from tests.language_model import fetched_model

pytestmark = pytest.mark.processes
BOARD = load_board("raspberry-pi-4b").config()


@pytest.fixture(scope="module")
def served() -> Iterator[LanguageServer]:
    with LanguageServer(model_file(fetched_model()), context_tokens=512) as server:
        yield server


def test_it_is_known_by_its_list_of_models_and_tells_its_times(served: LanguageServer) -> None:
    server = ModelServer(served.url)
    assert server.dialect.name == "openai"
    answer = server.ask("Which colour has the sky, and why?", 6)
    assert server.whole, "it takes the wish to pass over the end"
    assert answer.tokens_out == 6
    assert answer.prefill_s is not None
    assert answer.decode_s is not None
    assert 0 < answer.prefill_s + answer.decode_s <= answer.duration_s
    assert 0 < (answer.prefill_share() or 0) < 1
    assert answer.wire_bytes > 10 * (answer.content_bits - answer.prompt_bits) / 8 > 0


def test_what_was_cached_of_a_prompt_is_not_counted_as_read(served: LanguageServer) -> None:
    server = ModelServer(served.url)
    prompt = " ".join(f"word {k}" for k in range(60))
    first, again = server.ask(prompt, 2), server.ask(prompt, 2)
    assert first.prompt_tokens == again.prompt_tokens
    assert first.prefilled > 60
    assert again.prefilled < 10
    assert (again.cached_tokens or 0) + again.prefilled == again.prompt_tokens


def test_of_drawn_prompts_the_template_alone_was_cached(served: LanguageServer) -> None:
    server, prompts = ModelServer(served.url), Prompts(seed=3)
    prompts.measure(server)
    for wanted in (64, 128, 200):
        answer = server.ask(prompts.of(wanted), 1)
        assert answer.prompt_tokens == pytest.approx(wanted, rel=0.15)
        assert (answer.cached_tokens or 0) <= prompts.around_tokens + 2


def test_joules_of_a_request_are_those_of_its_tokens(served: LanguageServer) -> None:
    """By the process's CPU time: what was read and what was written add up to the request."""
    plan = Plan((48, 96), (1, 8), repeats=1, idle_s=0)
    measured = measure(ModelServer(served.url), CpuTimeMeter(served.pid, BOARD), plan)
    probe = probe_of(measured, alpha_bits_per_token=1.0, counts_idle=False)
    for each in probe.cells:
        (request,) = [
            one
            for one in measured.requests
            if (one.wanted_in, one.wanted_out) == (each.tokens_in, each.tokens_out)
        ]
        assert request.joules is not None
        assert each.per_token_in_j is not None
        whole = each.per_token_in_j.mean * request.answer.prefilled
        if each.tokens_out > 1:
            assert each.per_token_out_j is not None
            whole += each.per_token_out_j.mean * (each.tokens_out - 1)
            assert whole == pytest.approx(request.joules.energy_j, rel=1e-6)
        else:
            assert 0 < whole <= request.joules.energy_j


def test_the_other_dialect_and_a_server_that_ends_are_told() -> None:
    with LanguageServer(model_file(fetched_model()), context_tokens=256) as server:
        with pytest.raises(RunError, match="choose another --dialect"):
            ModelServer(server.url, dialect="ollama", model="any").ask("a prompt", 2)
        asked = ModelServer(server.url)
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(RunError, match="broke off in the middle of an answer"):
            asked.ask("a prompt", 2)
