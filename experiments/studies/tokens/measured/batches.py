"""Several requests at once: joules of a written token by how many are written in a step; and the costs of a node."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_node.language.server import LanguageServer
from experiments.studies.fei.engine import content_key, tell
from experiments.studies.tokens.measured.calls import Calls, room_for
from experiments.studies.tokens.measured.files import file_of, passage
from experiments.studies.tokens.measured.meter import depends, joules_of, watts

LETTERS = 12_000
"""Of a passage that is long enough for any context here."""


@dataclass(frozen=True, slots=True)
class CostsCell:
    """What the cost model of a node is fitted to: prompts of every length, steps of every context and batch."""

    kind: str
    repeat: int
    lengths: tuple[int, ...]
    contexts: tuple[int, ...]
    batches: tuple[int, ...]
    steps: int

    @property
    def weight(self) -> float:
        return (sum(self.lengths) + sum(self.contexts) * sum(self.batches)) / 200.0

    def key(self) -> str:
        return content_key("costs", asdict(self), depends(__name__))

    def compute(self, scratch: Path) -> dict[str, Any]:
        """``prefill``: tokens and joules; ``steps``: requests, context, joules of a step; ``watts`` of a busy core."""
        slots, context = max(self.batches), room_for(max(*self.lengths, *self.contexts) + self.steps)
        with LanguageServer(file_of(self.kind), slots=slots, context_tokens=context) as server:
            calls = Calls(server)
            text = calls.tokens(passage((0.37 + 0.11 * self.repeat) % 1.0, LETTERS))
            calls.complete(text[:8], 4)
            tell(scratch, f"reading, {self.kind}", 0.0)
            prefill = []
            for length in self.lengths:
                energy_j, _ = joules_of(server, lambda n=length: calls.complete(text[:n], 0))  # type: ignore[misc]
                prefill.append({"tokens": length, "energy_j": energy_j})
            tell(scratch, f"writing, {self.kind}", self.weight / 2)
            steps = [
                self._step(calls, text, length, batch) for length in self.contexts for batch in self.batches
            ]
        return {"prefill": prefill, "steps": steps, "watts": watts()}

    def _step(self, calls: Calls, text: list[int], context: int, batch: int) -> dict[str, Any]:
        """Every slot its own passage; what was read before is in its cache."""
        with ThreadPoolExecutor(batch) as asking:

            def all_of_them(count: int) -> None:
                some = [text[8 * place :][:context] for place in range(batch)]
                sent = [
                    asking.submit(calls.complete, tokens, count, cached=True, slot=place)
                    for place, tokens in enumerate(some)
                ]
                for one in sent:
                    one.result()

            all_of_them(0)
            energy_j, _ = joules_of(calls.server, lambda: all_of_them(self.steps))
        return {
            "requests": batch,
            "context": context + self.steps / 2,
            "asked_context": context,
            "energy_j": energy_j / self.steps,
        }
