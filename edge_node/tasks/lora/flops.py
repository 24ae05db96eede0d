"""Operations of a Llama model with an adapter, counted from its shape. A multiplication and an addition are two.

Counted are matrix products, as in edge_node.tasks.flops. Weights that are frozen get no gradient: a backward pass costs
their forward once, not twice, and the layers before the first adapter nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edge_node.tasks.base import FlopCount


@dataclass(frozen=True, slots=True)
class Shape:
    """Of the model and its adapter."""

    layers: int
    width: int
    inner: int
    """Width of the perceptron."""
    heads: int
    key_heads: int
    head_width: int
    vocabulary: int
    rank: int

    @classmethod
    def of(cls, config: Any, rank: int) -> Shape:
        """From transformers' configuration of a Llama model."""
        return cls(
            layers=config.num_hidden_layers,
            width=config.hidden_size,
            inner=config.intermediate_size,
            heads=config.num_attention_heads,
            key_heads=config.num_key_value_heads,
            head_width=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
            vocabulary=config.vocab_size,
            rank=rank,
        )

    @property
    def query(self) -> int:
        """Outputs of the query projection."""
        return self.heads * self.head_width

    @property
    def key(self) -> int:
        """Outputs of the key projection, and of the value projection."""
        return self.key_heads * self.head_width

    @property
    def adapter_weights(self) -> int:
        """Trainable scalars of one layer: two matrices at queries, two at values."""
        return self.rank * (2 * self.width + self.query + self.key)

    def read(self, tokens: int, before: int = 0, answers: int = 1) -> float:
        """Of reading ``tokens`` after ``before`` others; logits after the last ``answers`` of them."""
        seen = tokens * before + tokens * (tokens + 1) / 2
        frozen = self.width * (2 * self.query + 2 * self.key) + 3 * self.width * self.inner
        layer = 2.0 * tokens * (frozen + self.adapter_weights) + 4.0 * self.query * seen
        return self.layers * layer + 2.0 * self.width * self.vocabulary * answers

    def example(self, tokens: int) -> FlopCount:
        """One excerpt, logits after every token: forward, and a training step."""
        attention = 4.0 * self.query * tokens * (tokens + 1) / 2
        projections = self.width * (self.query + 2 * self.key)
        rest = self.width * self.query + 3 * self.width * self.inner
        forward = self.read(tokens, 0, tokens)
        # To the input: of all but the first layer's projections, which read what needs no gradient.
        to_input = 2.0 * tokens * (self.layers * rest + (self.layers - 1) * projections)
        to_input += 2.0 * tokens * self.width * self.vocabulary + 2.0 * self.layers * attention
        outputs = self.rank * (self.query + self.key)
        inputs = 2 * self.rank * self.width
        adapter = 2.0 * tokens * (self.layers * (2 * outputs + inputs) + (self.layers - 1) * inputs)
        return FlopCount(forward, forward + to_input + adapter)
