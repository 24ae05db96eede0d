"""``tiny-gpt``: a small decoder-only transformer on bytes, with a key-value cache.

Prefill reads a prompt in one pass; decode reads one token against the cached keys and values, whose number
grows: unlike a recurrent model, the two differ in work and in memory traffic. Pre-norm blocks and GELU as in
GPT-2 (Radford et al. 2019), learned positions, output layer tied to the embedding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_node.tasks.data.text import ANSWER, LENGTH, PROMPT
from edge_node.tasks.text import VOCABULARY, TextTask

WIDTH = 128
HEADS = 4
BLOCKS = 3
CONTEXT = max(LENGTH, PROMPT + ANSWER)

Cache = tuple[Tensor, Tensor]
"""Keys and values of one block, each (B, heads, tokens so far, width / heads)."""


class Attention(nn.Module):
    """Causal self-attention over what the cache holds and the tokens that come."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(WIDTH, 3 * WIDTH)
        self.merge = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """(B, T, width) to the same, and the cache with the new keys and values."""
        batch, tokens, _ = x.shape
        query, key, value = (
            part.view(batch, tokens, HEADS, WIDTH // HEADS).transpose(1, 2)
            for part in self.project(x).split(WIDTH, dim=2)
        )
        if cache is not None:
            key, value = torch.cat((cache[0], key), dim=2), torch.cat((cache[1], value), dim=2)
        if cache is not None and tokens > 1:
            mask = torch.ones(tokens, key.shape[2], dtype=torch.bool, device=x.device)
            mask = mask.tril(key.shape[2] - tokens)
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        else:
            mixed = F.scaled_dot_product_attention(query, key, value, is_causal=cache is None)
        return self.merge(mixed.transpose(1, 2).reshape(batch, tokens, WIDTH)), (key, value)

    def counted_flop(self, inputs: tuple[Any, ...], output: Any) -> float:
        """Operations of the pass from the beginning (edge_node.tasks.flops)."""
        batch, tokens, _ = inputs[0].shape
        return float(batch * attention_flop(tokens, 0))


class Block(nn.Module):
    """Attention and a two-layer perceptron, each added to what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.norm2 = nn.LayerNorm(WIDTH)
        self.widen = nn.Linear(WIDTH, 4 * WIDTH)
        self.narrow = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        mixed, after = self.attention(self.norm1(x), cache)
        x = x + mixed
        return x + self.narrow(F.gelu(self.widen(self.norm2(x)))), after


class TinyGpt(nn.Module):
    """Next-symbol model of CONTEXT tokens at most."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.position = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(WIDTH)
        self.output = nn.Linear(WIDTH, VOCABULARY, bias=False)
        self.output.weight = self.embedding.weight
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                # Residual branches start smaller the deeper the network (GPT-2's rule).
                deep = name.endswith(("merge.weight", "narrow.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * BLOCKS) ** 0.5 if deep else 0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V) after each of (B, T) tokens."""
        x, _ = self._run(tokens, None)
        return self.output(x)

    @torch.no_grad()
    def read(self, tokens: Tensor, state: list[Cache] | None) -> tuple[Tensor, list[Cache]]:
        """See edge_node.tasks.text.Generator. Raises ValueError beyond CONTEXT tokens."""
        x, after = self._run(tokens, state)
        return self.output(x[:, -1]), after

    def _run(self, tokens: Tensor, state: list[Cache] | None) -> tuple[Tensor, list[Cache]]:
        before = 0 if state is None else state[0][0].shape[2]
        if before + tokens.shape[1] > CONTEXT:
            raise ValueError(f"{before + tokens.shape[1]} tokens do not fit the model's {CONTEXT}")
        x = self.embedding(tokens) + self.position.weight[before : before + tokens.shape[1]]
        after = []
        for k, block in enumerate(self.blocks):
            x, cache = block(x, None if state is None else state[k])
            after.append(cache)
        return self.norm(x), after

    def read_flop(self, tokens: int, before: int) -> float:
        """Blocks for every token, attention to all before it, the output layer for the last one."""
        blocks = BLOCKS * (attention_flop(tokens, before) + tokens * 2.0 * 8 * WIDTH * WIDTH)
        return blocks + 2.0 * WIDTH * VOCABULARY


def attention_flop(tokens: int, before: int) -> float:
    """Products of one block's attention: projections, scores, mixing; a token sees all up to itself."""
    seen = tokens * before + tokens * (tokens + 1) / 2
    return tokens * 2.0 * 4 * WIDTH * WIDTH + 4.0 * WIDTH * seen


class TinyGptTask(TextTask):
    """Next-character prediction with a small transformer."""

    name = "tiny-gpt"

    def model(self) -> TinyGpt:
        return TinyGpt()
