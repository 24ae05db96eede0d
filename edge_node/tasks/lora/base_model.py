"""The frozen language model below an adapter: read from its GGUF file, one copy of its weights a process."""

from __future__ import annotations

import copy
import os
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from carbon_data.files.datasets import require
from carbon_data.types import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "smollm2-135m"
"""Data set of the model: SmolLM2-135M-Instruct, Q4_1. Its weights are dequantised to float32 (540 MB)."""
OFFLINE = "HF_HUB_OFFLINE"
_loading = threading.RLock()


def model_path() -> Path:
    """Of the file in the data folder. Raises DataError where it is missing or was changed."""
    return require(MODEL)


@contextmanager
def _packages() -> Iterator[Any]:
    """transformers, which then asks no server for anything. Raises DataError where the extra is not installed."""
    os.environ.setdefault(OFFLINE, "1")
    try:
        # Nodes of other tasks do without these packages, which take seconds to import.
        import peft  # noqa: F401
        import transformers
        from transformers import modeling_gguf_pytorch_utils as gguf_files
    except ImportError as error:
        raise DataError(
            f"task lora needs packages that are not installed here ({error}); install detabed[lora]"
        ) from error
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    bar = gguf_files.tqdm
    gguf_files.tqdm = lambda tensors, **_: tensors  # there is no setting that leaves it out
    try:
        yield transformers
    finally:
        gguf_files.tqdm = bar
        transformers.logging.set_verbosity(before)


@cache
def _tokenizer() -> Any:
    path = model_path()
    with _packages() as transformers:
        return transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)


def tokenizer() -> Any:
    """The model's own. Raises DataError."""
    with _loading:
        return _tokenizer()


@cache
def _weights() -> nn.Module:
    path = model_path()
    # Also for a node that serves before it learns: tensors made in inference mode have no gradient, ever.
    with _packages() as transformers, torch.random.fork_rng(devices=[]), torch.inference_mode(False):
        model: nn.Module = transformers.AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32
        )
    return model.requires_grad_(False).eval()


def base_model() -> Any:
    """The model, its layers new and its weights those of the process: an adapter may change the layers.

    Raises DataError where the file or the packages are missing.
    """
    with _loading:
        return sharing(_weights())


def sharing(model: nn.Module) -> Any:
    """A copy of ``model`` with the same weights."""
    return copy.deepcopy(model, {id(weight): weight for weight in model.parameters()})
