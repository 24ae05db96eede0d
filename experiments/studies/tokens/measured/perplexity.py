"""How well each kind of file predicts the Shakespeare text: perplexity over windows spread over it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_node.language.server import LanguageServer
from experiments.studies.fei.engine import content_key, tell
from experiments.studies.tokens.measured.calls import Calls, room_for
from experiments.studies.tokens.measured.files import file_of, passage
from experiments.studies.tokens.measured.meter import depends


@dataclass(frozen=True, slots=True)
class PerplexityCell:
    """One kind; the same windows for all of them."""

    kind: str
    windows: int
    context: int
    """Tokens that are read before the first that counts."""
    scored: int
    """Tokens of a window that count."""

    @property
    def weight(self) -> float:
        return self.windows * (self.context / 200.0 + self.scored / 80.0)

    def key(self) -> str:
        return content_key("perplexity", asdict(self), depends(__name__))

    def compute(self, scratch: Path) -> dict[str, Any]:
        """``nats``: mean negative log probability of a token in every window, in their order."""
        length, nats = self.context + self.scored, []
        with LanguageServer(file_of(self.kind), context_tokens=room_for(length)) as server:
            calls = Calls(server)
            for window in range(self.windows):
                tell(scratch, f"perplexity, {self.kind}", self.weight * window / self.windows)
                text = passage((window + 0.5) / self.windows, 6 * length + 64)
                tokens = calls.tokens(text)[:length]
                lost = [-calls.log_probability(tokens[:k], tokens[k]) for k in range(self.context, length)]
                nats.append(sum(lost) / len(lost))
        return {"nats": nats}
