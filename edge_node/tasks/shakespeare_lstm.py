"""``shakespeare-lstm``: the DETA paper's LSTM, 866,578 parameters (methods.md section 8, note 2).

258 symbols embedded in 8 dimensions, two layers of 256 cells, an output layer. The paper's count asks for
peephole cells with one bias (edge_node.tasks.peephole); ``shakespeare-lstm-plain`` has torch's own cells
(two biases, no peepholes: 867,090 parameters).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edge_node.tasks.peephole import PeepholeLstm, State
from edge_node.tasks.text import VOCABULARY, TextTask

EMBEDDED = 8
HIDDEN = 256
LAYERS = 2


class PeepholeText(nn.Module):
    """Next-symbol model of stacked peephole layers."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, EMBEDDED)
        self.layers = nn.ModuleList(
            PeepholeLstm(EMBEDDED if k == 0 else HIDDEN, HIDDEN) for k in range(LAYERS)
        )
        self.output = nn.Linear(HIDDEN, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V) after each of (B, T) tokens."""
        x = self.embedding(tokens.t())
        for layer in self.layers:
            x = layer(x)
        return self.output(x).transpose(0, 1)

    @torch.no_grad()
    def read(self, tokens: Tensor, state: list[State] | None) -> tuple[Tensor, list[State]]:
        """See edge_node.tasks.text.Generator."""
        x = self.embedding(tokens.t())
        after = []
        for k, layer in enumerate(self.layers):
            assert isinstance(layer, PeepholeLstm)
            x, reached = layer.step(x, None if state is None else state[k])
            after.append(reached)
        return self.output(x[-1]), after

    def read_flop(self, tokens: int, before: int) -> float:
        """Recurrent cells do the same for every token; the output layer runs for the last one."""
        return recurrent_flop(tokens)


class PlainText(nn.Module):
    """The same widths with torch's own LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, EMBEDDED)
        self.lstm = nn.LSTM(EMBEDDED, HIDDEN, LAYERS)
        self.output = nn.Linear(HIDDEN, VOCABULARY)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (B, T, V) after each of (B, T) tokens."""
        outputs, _ = self.lstm(self.embedding(tokens.t()))
        return self.output(outputs).transpose(0, 1)

    @torch.no_grad()
    def read(self, tokens: Tensor, state: State | None) -> tuple[Tensor, State]:
        """See edge_node.tasks.text.Generator."""
        outputs, after = self.lstm(self.embedding(tokens.t()), state)
        return self.output(outputs[-1]), after

    def read_flop(self, tokens: int, before: int) -> float:
        """As PeepholeText: peepholes are no matrix products."""
        return recurrent_flop(tokens)


def recurrent_flop(tokens: int) -> float:
    """Matrix products of both layers for ``tokens`` tokens, and of the output layer for one."""
    cells = sum(8.0 * HIDDEN * (inputs + HIDDEN) for inputs in (EMBEDDED, *[HIDDEN] * (LAYERS - 1)))
    return tokens * cells + 2.0 * HIDDEN * VOCABULARY


class ShakespeareLstm(TextTask):
    """Next-character prediction with the paper's peephole LSTM."""

    name = "shakespeare-lstm"

    def model(self) -> PeepholeText:
        return PeepholeText()


class ShakespeareLstmPlain(TextTask):
    """Next-character prediction with torch's LSTM: the quick variant."""

    name = "shakespeare-lstm-plain"

    def model(self) -> PlainText:
        return PlainText()
