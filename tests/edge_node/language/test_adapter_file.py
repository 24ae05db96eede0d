"""Adapters as files: the server's answers change as the torch model's do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from carbon_data.types import DataError
from edge_node.language.adapter_file import paired, write_adapter
from edge_node.language.model_file import model_file
from edge_node.language.prompt_cache import CacheError, put, take
from edge_node.language.server import LanguageServer
from edge_node.tasks.lora.adapter import ALPHA
from tests.language_model import fetched_model


@pytest.fixture(scope="module")
def model() -> Path:
    return fetched_model()


def drawn(layers: int = 30, rank: int = 8) -> dict[str, np.ndarray]:
    """An adapter of SmolLM2-135M that changes answers: 576 inputs, 576 queries, 192 values."""
    draw, found = np.random.default_rng(0), {}
    for layer in range(layers):
        for name, outputs in (("q_proj", 576), ("v_proj", 192)):
            found[f"layers.{layer}.{name}.lora_A"] = draw.normal(0, 0.06, (rank, 576)).astype(np.float32)
            found[f"layers.{layer}.{name}.lora_B"] = draw.normal(0, 0.08, (outputs, rank)).astype(np.float32)
    return found


def next_tokens(server: LanguageServer, tokens: list[int], count: int = 50) -> dict[int, float]:
    """The most likely next tokens with their log probabilities, by the server."""
    asked = {"prompt": tokens, "n_predict": 1, "temperature": 0, "n_probs": count, "cache_prompt": False}
    told = requests.post(f"{server.url}/completion", json=asked, timeout=60).json()
    return {one["id"]: one["logprob"] for one in told["completion_probabilities"][0]["top_logprobs"]}


@pytest.mark.processes
def test_the_served_models_answers_change_as_the_torch_models_do(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch: Any = pytest.importorskip("torch")
    pytest.importorskip("peft", reason="needs the extra lora")
    from edge_node.tasks.lora import base_model
    from edge_node.tasks.lora.adapter import Adapted
    from edge_node.tasks.state import load_arrays

    monkeypatch.setattr(base_model, "model_path", lambda: model)
    write_adapter(drawn(), model, tmp_path / "adapter.gguf", ALPHA)
    plain = base_model.base_model()
    changed = Adapted(base_model.base_model())
    load_arrays(changed, drawn())
    prompts = base_model.tokenizer()(
        ["The capital of France is", "To be, or not to be, that is the", "A list is a mutable sequence of"],
    )["input_ids"]
    with (
        LanguageServer(model_file(model), context_tokens=256) as without,
        LanguageServer(
            model_file(model), context_tokens=256, adapter=model_file(tmp_path / "adapter.gguf")
        ) as served,
        torch.no_grad(),
    ):
        for tokens in prompts:
            asked = torch.tensor([tokens])
            before = plain(asked).logits[0, -1].log_softmax(0).numpy()
            after = changed(asked)[0, -1].log_softmax(0).numpy()
            told, told_before = next_tokens(served, tokens), next_tokens(without, tokens)
            both = [number for number in told if number in told_before]
            moved = np.array([told[number] - told_before[number] for number in both])
            expected = np.array([after[number] - before[number] for number in both])
            assert np.abs(expected).mean() > 0.5
            # Values between layers are rounded to 8 bits in the server.
            assert np.corrcoef(moved, expected)[0, 1] > 0.95
            assert np.abs(moved - expected).mean() < 0.3 * np.abs(expected).mean()
        served_cache = take(served)
        with pytest.raises(CacheError, match="silently give nothing"):
            put(without, served_cache)


def test_rows_come_into_the_order_that_loading_takes_back() -> None:
    heads, width = 3, 8
    rows = np.arange(heads * width * 2, dtype=np.float32).reshape(heads * width, 2)
    there = paired(rows, heads)
    assert not np.array_equal(there, rows)
    # Row 2k of a head is row k of its first half, row 2k + 1 row k of its second.
    assert np.array_equal(there[0:width:2], rows[: width // 2])
    assert np.array_equal(there[1:width:2], rows[width // 2 : width])


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"hidden.weight": np.zeros((2, 2))}, "another task than lora"),
        ({"layers.99.q_proj.lora_A": np.zeros((8, 576))}, "another model"),
        ({"layers.0.v_proj.lora_B": np.zeros((576, 8))}, "192 x 576"),
        ({}, "no matrix"),
    ],
)
def test_what_is_no_adapter_of_the_model_is_refused(
    parameters: dict[str, np.ndarray], words: str, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=words):
        write_adapter(parameters, model, tmp_path / "adapter.gguf", ALPHA)
    assert not list(tmp_path.iterdir())
