"""One request to servers of several kinds, and servers that cannot be asked."""

from __future__ import annotations

import pytest

from experiments.errors import RunError, UsageError
from experiments.probe.answer import Answer
from experiments.probe.dialects import DIALECTS
from experiments.probe.prompts import Prompts
from experiments.probe.server import ModelServer
from tests.experiments.probe.servers import CACHED, MODEL, serving, tokens_of

PROMPT = "some words of a prompt"


@pytest.mark.parametrize("kind", ["llama.cpp", "vllm", "tgi", "ollama"])
def test_counts_and_times_are_what_the_server_says(kind: str) -> None:
    with serving(kind) as url:
        server = ModelServer(url)
        assert server.dialect.name == ("ollama" if kind == "ollama" else "openai")
        assert server.model == MODEL
        answer = server.ask(PROMPT, 5)
    assert (answer.prompt_tokens, answer.tokens_out) == (tokens_of(PROMPT), 5)
    assert answer.prompt_bits == 8 * len(PROMPT)
    assert answer.content_bits == 8 * len(PROMPT + "word " * 5)
    assert answer.wire_bytes > 10 * len("word " * 5)
    assert answer.cached_tokens == (CACHED if kind == "llama.cpp" else None)
    if kind in ("llama.cpp", "ollama"):
        assert answer.prefill_s == pytest.approx(0.002 * answer.prefilled)
        assert answer.prefill_share() == pytest.approx(answer.prefill_s / (answer.prefill_s + 0.025))
    else:
        assert answer.prefill_s is None
        assert 0.0 < (answer.prefill_share() or 0.0) <= 1.0
    assert answer.first_s is not None
    assert answer.first_s <= answer.times_s[-1] <= answer.duration_s


def test_the_address_may_end_with_v1() -> None:
    with serving("vllm") as url:
        assert ModelServer(f"{url}/v1/").ask(PROMPT, 1).tokens_out == 1


def test_a_wish_that_a_server_refuses_is_left_out() -> None:
    with serving("strict") as url:
        server = ModelServer(url)
        assert server.ask(PROMPT, 3).tokens_out == 3
        assert not server.whole


def test_prompts_have_about_the_tokens_that_were_asked_for_and_none_is_asked_twice() -> None:
    with serving("vllm") as url:
        server, prompts = ModelServer(url), Prompts(seed=1)
        prompts.measure(server)
    some = [prompts.of(100) for _ in range(20)]
    assert {tokens_of(prompt) for prompt in some} == {100}
    assert len(set(some)) == 20
    assert prompts.around_tokens == pytest.approx(10.0)


def test_a_server_that_counts_no_tokens_is_refused() -> None:
    with serving("no-usage") as url, pytest.raises(RunError, match="does not say how many tokens"):
        Prompts(seed=1).measure(ModelServer(url))


def test_an_answer_that_breaks_off_is_a_failure() -> None:
    with serving("vllm", after=0) as url, pytest.raises(RunError, match="broke off in the middle"):
        ModelServer(url).ask(PROMPT, 5)


def test_another_dialect_than_the_server_speaks() -> None:
    with serving("vllm") as url, pytest.raises(RunError, match="choose another --dialect"):
        ModelServer(url, dialect="ollama", model=MODEL).ask(PROMPT, 5)


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("key", {}, "wants a key"),
        ("several", {}, "choose a model of .* with --model; it has small-model, other"),
        ("vllm", {"model": "large"}, "has no model 'large'; it has small-model"),
    ],
)
def test_what_is_missing_is_said(kind: str, options: dict[str, str], said: str) -> None:
    with serving(kind) as url, pytest.raises(UsageError, match=said):
        ModelServer(url, **options)


def test_the_key_is_sent() -> None:
    with serving("key") as url:
        assert ModelServer(url, key="right").model == MODEL


def test_addresses() -> None:
    for url in (
        "127.0.0.1:8080",
        "file:///etc/passwd",
        "http://",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:no",
        "http://127.0.0.1:0",
        "http://[::1",
    ):
        with pytest.raises(UsageError, match="is no address of a server"):
            ModelServer(url)
    with pytest.raises(UsageError, match="--insecure"):
        ModelServer("http://192.0.2.1:8080")
    for url in ("http://127.0.0.1:9", "https://.x", f"https://{'a' * 70}.invalid"):
        with pytest.raises(UsageError, match="gives no answer"):
            ModelServer(url)


def test_a_list_of_models_in_another_form_names_none() -> None:
    for listed in ({"data": ["a"]}, {"data": {"id": "a"}}, {"data": [{"name": "a"}]}, {}):
        assert DIALECTS["openai"].models(listed) == []
    assert DIALECTS["ollama"].models({"models": [{"name": "a"}, None]}) == ["a"]


def test_a_time_of_reading_that_is_not_told_is_not_zero() -> None:
    answer = Answer()
    DIALECTS["ollama"].read('{"done": true, "eval_count": 2, "eval_duration": 5000000}', 0.1, answer)
    assert (answer.prompt_tokens, answer.prefill_s, answer.prefill_share()) == (None, None, None)
