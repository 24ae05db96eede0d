"""Answers of the testbed's tasks to outside clients: classes of images, continuations of texts.

The one file of this folder that needs torch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from carbon_data.units import BITS_PER_BYTE
from edge_node.serving.port import Answered
from edge_node.tasks.base import Task, to_tensor
from edge_node.tasks.data.text import ANSWER, PROMPT
from edge_node.tasks.device import find_device
from edge_node.tasks.images import SHAPE, ImageTask
from edge_node.tasks.registry import find_task
from edge_node.tasks.state import load_arrays
from edge_node.tasks.text import START, TextTask, decode_flop, generate, prefill_flop
from edge_node.workload import Arrays, InferResult, Parameters


class TaskAnswers:
    """Answers of the task ``name`` (edge_node.serving.port.Answers), on ``device``. One thread at a time."""

    def __init__(self, name: str, device: str = "cpu") -> None:
        """Raises ValueError for a name that is no task, and for a device that is not here."""
        self._task: Task = find_task(name)
        self._device = find_device(device)
        self._model: nn.Module | None = None
        self._loaded: Parameters | None = None

    def check(self, arrays: Arrays) -> None:
        """See Answers."""
        if isinstance(self._task, ImageTask):
            _expect(arrays, "images", SHAPE)
        elif isinstance(self._task, TextTask):
            _expect(arrays, "tokens", None)
            length = arrays["tokens"].shape[1] if arrays["tokens"].ndim == 2 else 0
            if not 1 <= length < PROMPT:
                raise ValueError(
                    f"tokens are of shape {arrays['tokens'].shape}; allowed is (n, 1 to {PROMPT - 1})"
                )
        else:
            raise ValueError(
                f"task {self._task.name} answers no outside clients: it is neither image nor text"
            )

    def answer(self, parameters: Parameters, arrays: Arrays) -> Answered:
        """See Answers."""
        self.check(arrays)
        model = self._with(parameters)
        with torch.inference_mode():
            if isinstance(self._task, ImageTask):
                return _classify(self._task, model, arrays)
            return _continue(model, arrays["tokens"])

    def _with(self, parameters: Parameters) -> Any:
        if self._model is None:
            self._model = self._task.model().eval().to(self._device)
        if self._loaded is not parameters:
            load_arrays(self._model, parameters)
            self._loaded = parameters
        return self._model


def _expect(arrays: Arrays, name: str, shape: tuple[int, ...] | None) -> None:
    if set(arrays) != {name}:
        raise ValueError(f"request holds {sorted(arrays)}; allowed is {name!r} alone")
    array = arrays[name]
    if array.dtype != np.uint8 or (shape is not None and array.shape[1:] != shape):
        wanted = "(n, length)" if shape is None else f"(n, {', '.join(map(str, shape))})"
        raise ValueError(f"{name} are {array.dtype} of shape {array.shape}; allowed is uint8 of {wanted}")


def _classify(task: ImageTask, model: nn.Module, arrays: Arrays) -> Answered:
    """The likeliest class of each image, and its probability."""
    images = arrays["images"]
    x, _ = task.placed(model, {"images": images, "labels": np.zeros(len(images), dtype=np.int64)})
    confidence, classes = F.softmax(model(x), dim=1).max(dim=1)
    answers = {"classes": classes.numpy(force=True), "confidence": confidence.numpy(force=True)}
    result = InferResult(
        requests=len(images),
        payload_bits=BITS_PER_BYTE * (images.nbytes + sum(array.nbytes for array in answers.values())),
        correct=0,
        batches=1,
        flop=len(images) * task.flop().forward,
    )
    return Answered(answers, result)


def _continue(model: Any, prompts: np.ndarray) -> Answered:
    """The likeliest continuation of each text, byte by byte."""
    requests, length = prompts.shape
    x = F.pad(to_tensor(prompts, torch.int64), (1, 0), value=START).to(next(model.parameters()).device)
    generated = generate(model, x, ANSWER)
    decoding = decode_flop(model, length + 1, ANSWER)
    result = InferResult(
        requests=requests,
        payload_bits=BITS_PER_BYTE * requests * (length + ANSWER),
        correct=0,
        batches=1,
        flop=requests * (prefill_flop(model, length + 1) + decoding),
        input_tokens=requests * (length + 1),
        output_tokens=requests * ANSWER,
        decode_flop=requests * decoding,
        decode_s=generated.decode_s,
    )
    return Answered({"tokens": generated.tokens.numpy(force=True).astype(np.uint8)}, result)
