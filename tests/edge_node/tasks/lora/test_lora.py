"""Task ``lora``: an adapter on a small Llama model of random weights, and on the real one."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from carbon_data.files.folders import DATA_DIR_VARIABLE
from carbon_data.types import DataError
from edge_node.config import TaskConfig
from edge_node.tasks.build import build_workload
from edge_node.tasks.lora import base_model, data
from edge_node.tasks.lora.adapter import RANK, Adapted, next_token_loss
from edge_node.tasks.lora.base_model import sharing
from edge_node.tasks.lora.flops import Shape
from edge_node.tasks.lora.task import BYTES_PER_TOKEN, LoraTask, generated
from edge_node.tasks.state import load_arrays, state_bytes, to_arrays
from edge_node.tasks.steps import StepOptions
from protos.messages.terms import Stage
from tests.language_model import fetched_model

# Found, not imported: every worker collects this module, and peft takes seconds.
pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("transformers", "peft"))), reason="needs the extra lora"
)

TOKENS = 12


@pytest.fixture
def small() -> Any:
    """Two layers with grouped heads, as SmolLM2 has."""
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        attn_implementation="eager",
    )
    torch.manual_seed(0)
    return transformers.LlamaForCausalLM(config).requires_grad_(False).eval()


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The real model in a data folder without other files."""
    folder = tmp_path_factory.mktemp("data")
    path = fetched_model()
    (folder / "models").mkdir()
    (folder / "models" / path.name).symlink_to(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATA_DIR_VARIABLE, str(folder))
        yield LoraTask()


def asked(count: int = 2) -> torch.Tensor:
    return torch.randint(0, 50, (count, TOKENS), generator=torch.Generator().manual_seed(1))


def test_a_new_adapter_changes_no_answer_and_is_all_that_travels(small: Any) -> None:
    before = small(asked()).logits
    model = Adapted(sharing(small))
    torch.testing.assert_close(model(asked()), before)
    arrays = to_arrays(model)
    assert set(arrays) == {
        f"layers.{k}.{name}.lora_{which}" for k in range(2) for name in ("q_proj", "v_proj") for which in "AB"
    }
    assert all(not arrays[name].any() for name in arrays if name.endswith("B"))
    shape = Shape.of(small.config, RANK)
    assert state_bytes(model) == 4 * shape.layers * shape.adapter_weights


def test_the_draw_of_an_adapter_is_that_of_the_seed(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_node.tasks.lora.task.base_model", lambda: sharing(small))
    first, second, other = (LoraTask().initial_parameters(seed) for seed in (5, 5, 6))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)


def test_training_moves_the_adapter_and_no_weight_below(small: Any) -> None:
    frozen = {name: weight.clone() for name, weight in small.named_parameters()}
    one, two = Adapted(sharing(small)), Adapted(sharing(small))
    step = LoraTask().steps(one.train(), StepOptions(learning_rate=0.01))
    x, y = asked()[:, :-1], asked()[:, 1:]
    losses = [float(step(x, y, k)) for k in range(20)]
    assert losses[-1] < losses[0]
    assert all(torch.equal(weight, frozen[name]) for name, weight in small.named_parameters())
    # The other adapter, on the same weights, still answers as the model does.
    torch.testing.assert_close(two(asked()), small(asked()).logits)
    load_arrays(two, to_arrays(one))
    torch.testing.assert_close(two(asked()), one(asked()))


def test_on_another_device_the_model_has_weights_of_its_own(small: Any) -> None:
    model = Adapted(sharing(small)).to("meta")
    assert {weight.device.type for weight in model.below.parameters()} == {"meta"}
    assert {weight.device.type for weight in small.parameters()} == {"cpu"}


def test_operations_are_those_that_torch_counts(small: Any) -> None:
    model = Adapted(sharing(small))
    x, y = asked(1)[:, :-1], asked(1)[:, 1:]
    with FlopCounterMode(display=False) as forward:
        model(x)
    loss = next_token_loss(model(x), y)
    with FlopCounterMode(display=False) as both:
        loss.backward()
    shape, tokens = Shape.of(small.config, RANK), x.shape[1]
    # torch multiplies the masked half of attention too: 4 x query x tokens x (tokens - 1) / 2 a layer.
    masked = 2.0 * shape.query * tokens * (tokens - 1)
    # In the first layer no key needs a gradient: half of that product's backward pass.
    unasked = 2.0 * shape.query * tokens * tokens
    counted = shape.example(tokens)
    assert forward.get_total_flops() == counted.forward + shape.layers * masked
    trained = counted.train - counted.forward + 2 * shape.layers * masked - unasked
    assert both.get_total_flops() == pytest.approx(trained, rel=0.01)
    assert shape.read(tokens) + shape.read(1, tokens) == pytest.approx(shape.read(tokens + 1, answers=2))


def test_answers_are_the_models_greedy_ones(small: Any) -> None:
    model = Adapted(sharing(small))
    tokens, decode_s = generated(model, asked(), 5)
    sequence = asked()
    for k in range(5):
        following = model(sequence)[:, -1].argmax(dim=1, keepdim=True)
        assert torch.equal(tokens[:, k : k + 1], following)
        sequence = torch.cat((sequence, following), dim=1)
    assert decode_s >= 0


def test_without_the_packages_a_sentence_says_which_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(DataError, match=r"install detabed\[lora\]"), base_model._packages():
        pass


def test_without_the_model_a_sentence_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_DIR_VARIABLE, str(tmp_path))
    with pytest.raises(DataError, match="detabed data fetch smollm2-135m"):
        base_model.model_path()


@pytest.mark.processes
def test_a_node_fine_tunes_the_real_model(here: LoraTask) -> None:
    node = build_workload(
        TaskConfig(
            name="lora",
            data="pydoc",
            batch_size=1,
            batches_per_slot=1,
            local_epochs=3,
            learning_rate=2e-3,
            partitions=2,
            partition_index=1,
        )
    )
    start = here.initial_parameters(0)
    assert sum(array.size for array in start.values()) == 460_800
    assert node.cost(Stage.DEVELOPMENT).model_bytes == 1_843_200
    batch = node.batch(0, Stage.DEVELOPMENT)
    assert batch["tokens"].shape == (1, data.LENGTH)
    assert here.prepare(batch) > 0
    trained = node.train(start, [batch], {"local-epochs": 3})
    again = node.train(trained.parameters, [batch], {"local-epochs": 1})
    assert again.mean_loss < trained.mean_loss < 6.0  # far below an untrained model's, ln(49,152) = 10.8
    served = node.infer(trained.parameters, [{"tokens": batch["tokens"][:, :65]}])
    assert (served.requests, served.input_tokens, served.output_tokens) == (1, 64, 16)
    assert served.payload_bits == 8 * BYTES_PER_TOKEN * 80


def test_requests_longer_than_an_excerpt_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 129"):
        LoraTask().for_requests(100, 30)
    assert LoraTask().for_requests(100, 29).tokens_per_request == (100, 29)
