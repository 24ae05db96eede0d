"""A prompt read by one real server and answered by another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from benchmarks.tokens import Client, natural_prompts, shipped
from edge_node.language.model_file import ModelFile, model_file
from edge_node.language.prompt_cache import FILE, CacheError, put, take
from edge_node.language.requantise import cache_bytes_per_token
from edge_node.language.server import LanguageServer
from tests.language_model import fetched_model

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def model() -> ModelFile:
    return model_file(fetched_model())


@pytest.fixture(scope="module")
def pair(model: ModelFile) -> Iterator[tuple[Client, Client]]:
    with LanguageServer(model, context_tokens=512) as one, LanguageServer(model, context_tokens=512) as two:
        yield Client(one), Client(two)


def test_the_answer_is_the_same_and_only_the_first_token_is_computed_again(
    pair: tuple[Client, Client],
) -> None:
    first, second = pair
    theory = cache_bytes_per_token(first.server.model.path)
    assert theory == 23_040
    for text in natural_prompts(3, seed=2):
        prompt = first.tokens(text)
        alone = second.complete(prompt, 8)["tokens"]
        begun = first.complete(prompt, 1)["tokens"]
        cache = take(first.server)
        assert cache.tokens == len(prompt)
        assert len(cache.content) == pytest.approx(theory * cache.tokens, rel=0.005)
        put(second.server, shipped(cache))
        there = second.complete([*prompt, *begun], 7, cached=True)
        assert there["timings"]["prompt_n"] == 1
        assert begun + there["tokens"] == alone
    assert not list(first.server.cache_folder.iterdir())
    assert not list(second.server.cache_folder.iterdir())


def test_a_cache_that_changed_or_is_of_another_server_is_refused(pair: tuple[Client, Client]) -> None:
    first, second = pair
    prompt = first.tokens(natural_prompts(1)[0])
    alone = second.complete(prompt, 4)["tokens"]
    first.complete(prompt, 1)
    cache = take(first.server)
    for changed, said in (
        (replace(cache, content=cache.content[:-1] + b"x"), "changed on its way"),
        (replace(cache, kin=replace(cache.kin, build="b1")), "would silently give nothing"),
        (replace(cache, kin=replace(cache.kin, slots=2)), "would silently give nothing"),
        (replace(cache, tokens=cache.tokens + 1), "read the prompt again"),
    ):
        with pytest.raises(CacheError, match=said):
            put(second.server, changed)
    assert second.complete(prompt, 4)["tokens"] == alone  # it goes on


def test_a_slot_that_holds_nothing_is_not_shipped(model: ModelFile) -> None:
    with LanguageServer(model, context_tokens=256) as server, pytest.raises(CacheError):
        take(server)


def test_a_server_that_has_ended_says_so(model: ModelFile) -> None:
    with LanguageServer(model, context_tokens=256) as server:
        pass
    with pytest.raises(CacheError, match="gives no answer to save"):
        take(server)


@pytest.mark.parametrize("said", [b"<html>", b"[1]", b'{"n_saved": null, "n_written": 0}', b"\xff"])
def test_an_answer_that_is_none_is_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    answer = requests.Response()
    answer.status_code, answer._content = 200, said
    monkeypatch.setattr(requests, "post", lambda *args, **named: answer)
    (tmp_path / FILE).touch()
    server: Any = SimpleNamespace(cache_folder=tmp_path, url="http://127.0.0.1:1")
    with pytest.raises(CacheError):
        take(server)
