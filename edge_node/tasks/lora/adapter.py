"""A model with a low-rank adapter (LoRA, Hu et al. 2021, arXiv:2106.09685): W x + (alpha / r) B A x at some layers.

The adapter's matrices are all the parameters that this module has; the model below it is no part of its state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

RANK = 8
ALPHA = 16
"""Scale of the adapter: what it adds is multiplied by ALPHA / RANK."""
TARGETS = ("q_proj", "v_proj")
"""Layers with an adapter: queries and values of attention, as in the paper (section 4.2)."""


class Pair(nn.Module):
    """The two matrices of one layer: A (rank, inputs) and B (outputs, rank)."""

    def __init__(self, a: nn.Parameter, b: nn.Parameter) -> None:
        super().__init__()
        self.lora_A, self.lora_B = a, b


class Adapted(nn.Module):
    """Next-token model whose parameters are an adapter's alone: ``layers.K.q_proj.lora_A`` and so on.

    Args:
        base: A causal language model of transformers with ``model.layers[k].self_attn``; its layers are changed, its
            weights are not. A draws from torch's generator, B is zero: the new model answers as ``base`` does.
    """

    def __init__(self, base: Any) -> None:
        from peft import LoraConfig, inject_adapter_in_model

        super().__init__()
        config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=list(TARGETS), lora_dropout=0.0)
        wrapped: Any = inject_adapter_in_model(config, base)
        self.layers = nn.ModuleList(
            nn.ModuleDict({name: _pair(getattr(layer.self_attn, name)) for name in TARGETS})
            for layer in wrapped.model.layers
        )
        # In a tuple, so that it is no part of this module's state.
        self._below = (wrapped,)

    @property
    def below(self) -> Any:
        """The model with the adapter in its layers."""
        return self._below[0]

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V) after each of (B, T) tokens."""
        return self.below(input_ids=tokens, use_cache=False).logits

    def read(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Read (B, T) tokens after ``state`` (None: none yet); logits of the next (B, V), and the state."""
        found = self.below(input_ids=tokens, cache=state, use_cache=True, logits_to_keep=1)
        return found.logits[:, -1], found.cache

    def train(self, mode: bool = True) -> Adapted:
        self.below.train(mode)
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Adapted:
        """To another device. The model below gets tensors of its own there: those of the process stay."""
        before = list(self.parameters())
        super()._apply(fn, recurse)
        # The adapter's own tensors are the same objects in the model below, also where torch made new ones.
        moved = {id(old): new for old, new in zip(before, self.parameters(), strict=True)}
        kept = before  # their numbers stay theirs as long as they live
        for module in self.below.modules():
            for name, weight in module._parameters.items():
                if weight is None:
                    continue
                if id(weight) not in moved:
                    moved[id(weight)] = nn.Parameter(fn(weight.data), requires_grad=False)
                    kept.append(weight)
                module._parameters[name] = moved[id(weight)]
            for name, buffer in module._buffers.items():
                module._buffers[name] = None if buffer is None else fn(buffer)
        return self


def _pair(layer: Any) -> Pair:
    (a,), (b,) = layer.lora_A.values(), layer.lora_B.values()
    return Pair(a.weight, b.weight)


def next_token_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean cross-entropy in nat a token."""
    return functional.cross_entropy(logits.flatten(0, 1).float(), target.flatten())
