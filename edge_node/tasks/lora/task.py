"""``lora``: next-token prediction by SmolLM2-135M; what nodes train and exchange is an adapter of 460,800 numbers."""

from __future__ import annotations

import time
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from carbon_data.units import BITS_PER_BYTE
from edge_node.tasks.base import FlopCount, Served, Task, to_tensor
from edge_node.tasks.data.dataset import Dataset
from edge_node.tasks.lora import data
from edge_node.tasks.lora.adapter import RANK, Adapted, next_token_loss
from edge_node.tasks.lora.base_model import base_model
from edge_node.tasks.lora.flops import Shape
from edge_node.tasks.own.optimiser import OptimiserSteps
from edge_node.tasks.steps import Step, StepOptions
from edge_node.workload import Arrays

PROMPT, ANSWER = 64, 16
"""Tokens of a request unless a service has its own lengths."""
BYTES_PER_TOKEN = 2
"""As tokens travel: numbers below 65,536."""
PREPARE_FLOP_PER_TOKEN = 1.0
"""One comparison with the vocabulary."""


class LoraTask(Task):
    """A language model whose adapter is trained, with an AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) that
    starts without momentum in each slot."""

    name = "lora"
    default_data = "pydoc"
    data_names = data.NAMES
    tokens_per_request = (PROMPT, ANSWER)
    evaluation_chunk = 4
    trained_before = True

    def check(self, batch_size: int) -> None:
        """Raises DataError where the model's file or the packages are missing."""
        base_model()

    def for_requests(self, prompt_tokens: int | None, answer_tokens: int | None) -> Task:
        """See Task. Prompt and answer together have at most the length of an excerpt."""
        prompt = self.tokens_per_request[0] if prompt_tokens is None else prompt_tokens
        answer = self.tokens_per_request[1] if answer_tokens is None else answer_tokens
        if prompt < 1 or answer < 1 or prompt + answer > data.LENGTH:
            raise ValueError(
                f"prompt_tokens {prompt} and answer_tokens {answer}; allowed are at least 1 each, and at most "
                f"{data.LENGTH} together"
            )
        other = type(self)()
        other.tokens_per_request = (prompt, answer)
        return other

    def requests(self, examples: Arrays) -> Arrays:
        """The tokens of the prompt, and the one after it, by which the first answer is judged."""
        return {"tokens": examples["tokens"][:, : self.tokens_per_request[0] + 1]}

    def dataset(self, name: str) -> Dataset:
        return data.load(name)

    def resolve_data(self, name: str) -> str:
        return data.resolve(name)

    def recycling_data(self, name: str) -> str:
        """Python's documentation after Shakespeare; after it, Shakespeare where its file is at hand."""
        if data.resolve(name) != "pydoc":
            return "pydoc"
        return "shakespeare"

    def model(self) -> Adapted:
        return Adapted(base_model())

    def inputs(self, batch: Arrays) -> tuple[Tensor, Tensor]:
        """Tokens but the last (B, T), and those that follow each (B, T)."""
        tokens = to_tensor(batch["tokens"], torch.int64)
        return tokens[:, :-1], tokens[:, 1:]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return next_token_loss(output, target)

    def correct(self, output: Tensor, target: Tensor) -> tuple[int, int]:
        return int((output.argmax(dim=-1) == target).sum()), target.numel()

    @cached_property
    def _shape(self) -> Shape:
        return Shape.of(base_model().config, RANK)

    def flop(self) -> FlopCount:
        return self._shape.example(data.PREDICTIONS)

    def serve_flop(self) -> float:
        return self._prefill_flop() + self._decode_flop()

    def _prefill_flop(self) -> float:
        return self._shape.read(self.tokens_per_request[0])

    def _decode_flop(self) -> float:
        prompt, answer = self.tokens_per_request
        return sum(self._shape.read(1, prompt + k) for k in range(answer - 1))

    def steps(self, model: nn.Module, options: StepOptions) -> Step:
        return OptimiserSteps(self._mean_loss, torch.optim.AdamW, model, options, draws=False)

    def _mean_loss(self, model: nn.Module, x: Any, y: Tensor, options: StepOptions) -> Tensor:
        with options.products(y.device.type):
            output = self.output(model, x)
        return self.loss(output, y)

    def request_bytes(self) -> tuple[int, int]:
        """Prompt and generated tokens by number."""
        prompt, answer = self.tokens_per_request
        return BYTES_PER_TOKEN * prompt, BYTES_PER_TOKEN * answer

    def serve(self, model: nn.Module, batch: Arrays) -> Served:
        """Go on from the beginning of each excerpt, greedily; right when the first token is the excerpt's own."""
        x, y = self.placed(model, batch)
        prompt, answer = self.tokens_per_request
        assert isinstance(model, Adapted)
        tokens, decode_s = generated(model, x[:, :prompt], answer)
        requests = len(x)
        return Served(
            requests=requests,
            input_tokens=requests * prompt,
            output_tokens=requests * answer,
            payload_bits=BITS_PER_BYTE * requests * sum(self.request_bytes()),
            correct=int((tokens[:, 0] == y[:, prompt - 1]).sum()),
            flop=requests * self.serve_flop(),
            decode_flop=requests * self._decode_flop(),
            decode_s=decode_s,
        )

    def prepare(self, batch: Arrays) -> float:
        """Check the form, and that every token is one of the model's."""
        tokens = batch["tokens"]
        if tokens.dtype != np.uint16 or tokens.ndim != 2 or tokens.shape[1] != data.LENGTH:
            raise ValueError(
                f"tokens must be uint16 of shape (n, {data.LENGTH}), got {tokens.dtype} {tokens.shape}"
            )
        if (highest := int(tokens.max())) >= self._shape.vocabulary:
            raise ValueError(f"token {highest} is none of the model's {self._shape.vocabulary}")
        return self.prepare_flop(len(tokens))

    def prepare_flop(self, examples: int) -> float:
        return PREPARE_FLOP_PER_TOKEN * data.LENGTH * examples


def generated(model: Adapted, prompts: Tensor, count: int) -> tuple[Tensor, float]:
    """(B, count) most likely tokens after ``prompts`` (B, P), and the CPU seconds of this thread after the first."""
    logits, state = model.read(prompts, None)
    answer = torch.empty(len(prompts), count, dtype=torch.int64, device=prompts.device)
    began_s = time.thread_time()
    for k in range(count):
        answer[:, k] = logits.argmax(dim=1)
        if k + 1 < count:
            logits, state = model.read(answer[:, k : k + 1], state)
    return answer, time.thread_time() - began_s
