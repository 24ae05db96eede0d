"""Common part of the next-character tasks: data, transform, loss, preparation, serving by generation."""

from __future__ import annotations

import copy
import time
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carbon_data.units import BITS_PER_BYTE
from edge_node.tasks.base import FlopCount, Served, Task, to_tensor
from edge_node.tasks.data import text
from edge_node.tasks.data.dataset import Dataset
from edge_node.tasks.data.text import ANSWER, PROMPT
from edge_node.tasks.flops import count_flop
from edge_node.workload import Arrays

BYTES = 256
START = 256
"""Symbol before the first byte of an excerpt; 257 is left for an end, as in the paper's 258 symbols."""
VOCABULARY = 258
PREPARE_FLOP_PER_BYTE = 2.0
"""Counting symbols: one addition, one comparison."""


class Generator(Protocol):
    """A model that can go on from what it has read."""

    def read(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Read (B, T) tokens after ``state`` (None: none yet); logits of the next (B, V), and the state."""
        ...

    def read_flop(self, tokens: int, before: int) -> float:
        """Operations to read ``tokens`` tokens of one sequence after ``before`` others."""
        ...


@dataclass(frozen=True)
class Generated:
    """A model's continuation."""

    tokens: Tensor
    """(B, count) bytes."""
    decode_s: float
    """CPU seconds of this thread in the decode steps."""


def generate(model: Generator, prompts: Tensor, count: int) -> Generated:
    """(B, count) most likely bytes after ``prompts`` (B, P): one pass over the prompt, then token by token.

    The first token comes out of the prefill; ``count - 1`` decode steps follow.
    """
    logits, state = model.read(prompts, None)
    answer = torch.empty(len(prompts), count, dtype=torch.int64, device=prompts.device)
    began_s = time.thread_time()
    for k in range(count):
        answer[:, k] = logits[:, :BYTES].argmax(dim=1)
        if k + 1 < count:
            logits, state = model.read(answer[:, k : k + 1], state)
    return Generated(answer, time.thread_time() - began_s)


def prefill_flop(model: Generator, prompt: int = PROMPT) -> float:
    """Operations of the pass over one prompt."""
    return model.read_flop(prompt, 0)


def decode_flop(model: Generator, prompt: int = PROMPT, count: int = ANSWER) -> float:
    """Operations of the decode steps of one request of ``count`` tokens."""
    return sum(model.read_flop(1, prompt + k) for k in range(count - 1))


class TextTask(Task):
    """Prediction of the next byte. Examples are excerpts of 80 bytes, so 80 predictions each."""

    default_data = "pydoc"
    data_names = text.NAMES
    tokens_per_request = (PROMPT, ANSWER)
    evaluation_chunk = 100
    _flop: FlopCount | None = None
    _serve_flop: float | None = None

    @abstractmethod
    def model(self) -> Any:
        """A Generator that is an nn.Module of (B, T) tokens to (B, T, V) logits."""

    def for_requests(self, prompt_tokens: int | None, answer_tokens: int | None) -> Task:
        """See Task. Prompt (START included) and answer together have at most the length of an excerpt."""
        own = self.tokens_per_request
        prompt = own[0] if prompt_tokens is None else prompt_tokens
        answer = own[1] if answer_tokens is None else answer_tokens
        if prompt < 1 or answer < 1 or prompt + answer > text.LENGTH:
            raise ValueError(
                f"prompt_tokens {prompt} and answer_tokens {answer}; allowed are at least 1 each, and at most "
                f"{text.LENGTH} together"
            )
        other = copy.copy(self)
        other.tokens_per_request, other._serve_flop = (prompt, answer), None
        return other

    def requests(self, examples: Arrays) -> Arrays:
        """The bytes of the prompt, and the one after it, by which the first answer is judged."""
        return {"tokens": examples["tokens"][:, : self.tokens_per_request[0]]}

    def dataset(self, name: str) -> Dataset:
        return text.load(name)

    def resolve_data(self, name: str) -> str:
        return text.resolve(name)

    def recycling_data(self, name: str) -> str:
        """The same text in ROT13, or back from it."""
        resolved = text.resolve(name)
        return resolved.removesuffix(text.ROT13) if resolved.endswith(text.ROT13) else resolved + text.ROT13

    def inputs(self, batch: Arrays) -> tuple[Tensor, Tensor]:
        """START and the excerpt without its last byte (B, 80); the excerpt itself as the target."""
        target = to_tensor(batch["tokens"], torch.int64)
        return F.pad(target[:, :-1], (1, 0), value=START), target

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output.reshape(-1, VOCABULARY), target.reshape(-1))

    def correct(self, output: Tensor, target: Tensor) -> tuple[int, int]:
        return int((output.argmax(dim=-1) == target).sum()), target.numel()

    def flop(self) -> FlopCount:
        if self._flop is None:
            self._flop = count_flop(self.model(), torch.zeros(1, text.LENGTH, dtype=torch.int64))
        return self._flop

    def serve_flop(self) -> float:
        if self._serve_flop is None:
            model = self.model()
            prompt, answer = self.tokens_per_request
            self._serve_flop = prefill_flop(model, prompt) + decode_flop(model, prompt, answer)
        return self._serve_flop

    def request_bytes(self) -> tuple[int, int]:
        """The prompt without START, which is no byte, and the generated bytes."""
        prompt, answer = self.tokens_per_request
        return prompt - 1, answer

    def serve(self, model: nn.Module, batch: Arrays) -> Served:
        """Go on from the beginning of each excerpt; right when the first byte is the excerpt's own."""
        x, y = self.placed(model, batch)
        prompt, answer = self.tokens_per_request
        generated = generate(model, x[:, :prompt], answer)  # type: ignore[arg-type]
        requests = len(x)
        return Served(
            requests=requests,
            input_tokens=requests * prompt,
            output_tokens=requests * answer,
            payload_bits=BITS_PER_BYTE * requests * (prompt - 1 + answer),
            correct=int((generated.tokens[:, 0] == y[:, prompt - 1]).sum()),
            flop=requests * self.serve_flop(),
            decode_flop=requests * decode_flop(model, prompt, answer),  # type: ignore[arg-type]
            decode_s=generated.decode_s,
        )

    def prepare(self, batch: Arrays) -> float:
        """Check the form and count the symbols: an excerpt of a single symbol carries no text."""
        tokens = batch["tokens"]
        if tokens.dtype != np.uint8 or tokens.ndim != 2 or tokens.shape[1] != text.LENGTH:
            raise ValueError(
                f"tokens must be uint8 of shape (n, {text.LENGTH}), got {tokens.dtype} {tokens.shape}"
            )
        rows = np.arange(len(tokens))[:, None] * BYTES
        counts = np.bincount((rows + tokens).ravel(), minlength=len(tokens) * BYTES).reshape(-1, BYTES)
        empty = int((counts.max(axis=1) == text.LENGTH).sum())
        if empty:
            raise ValueError(f"{empty} of {len(tokens)} excerpts are one symbol over and over: no text")
        return self.prepare_flop(len(tokens))

    def prepare_flop(self, examples: int) -> float:
        return PREPARE_FLOP_PER_BYTE * text.LENGTH * examples
