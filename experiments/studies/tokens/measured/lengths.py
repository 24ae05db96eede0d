"""One round over all kinds of file: joules of prompts of several lengths, of writing after them, and of a request."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edge_node.language.server import LanguageServer
from experiments.probe.answer import BITS_PER_BYTE
from experiments.studies.fei.engine import content_key, tell
from experiments.studies.tokens.measured.calls import Calls, room_for
from experiments.studies.tokens.measured.files import ALL, file_of, passage
from experiments.studies.tokens.measured.meter import depends, joules_of

LETTERS_PER_TOKEN = 6
"""More than a token has on average, so that a passage is long enough."""
REQUEST_IN, REQUEST_OUT = 128, 64
"""Of the whole request that TREE is stated for."""


@dataclass(frozen=True, slots=True)
class LengthsCell:
    """A round: every kind, every length, in an order drawn for the round, so that a drift is no difference."""

    repeat: int
    lengths: tuple[int, ...]
    steps: int
    """Tokens written after each prompt."""

    @property
    def weight(self) -> float:
        return sum(self.lengths) / 50.0

    def key(self) -> str:
        return content_key("lengths", asdict(self), depends(__name__))

    def compute(self, scratch: Path) -> dict[str, Any]:
        """``rows``: kind, phase, tokens, joules a token; ``requests``: kind, joules and bits of a request."""
        draw = random.Random(self.repeat)
        kinds = list(ALL)
        draw.shuffle(kinds)
        lengths = list(self.lengths)
        draw.shuffle(lengths)
        places = {length: draw.random() for length in (*self.lengths, 0)}
        rows: list[dict[str, Any]] = []
        whole: list[dict[str, Any]] = []
        context = room_for(max(*self.lengths, REQUEST_IN + REQUEST_OUT) + self.steps)
        for number, kind in enumerate(kinds):
            tell(scratch, f"round {self.repeat + 1}, {kind}", self.weight * number / len(kinds))
            with LanguageServer(file_of(kind), context_tokens=context) as server:
                calls = Calls(server)
                calls.complete([1, 2, 3], 4)  # the first request takes what no later one does
                for length in lengths:
                    rows += self._read_and_written(calls, kind, _passage(calls, places[length], length))
                whole.append(_request(calls, kind, _passage(calls, places[0], REQUEST_IN)))
        return {"rows": rows, "requests": whole}

    def _read_and_written(self, calls: Calls, kind: str, tokens: list[int]) -> list[dict[str, Any]]:
        """A row of each phase."""
        read_j, _ = joules_of(calls.server, lambda: calls.complete(tokens, 0))
        write_j, _ = joules_of(calls.server, lambda: calls.complete(tokens, self.steps, cached=True))
        length = len(tokens)
        return [
            {"kind": kind, "phase": "prefill", "tokens": length, "j_per_token": read_j / length},
            {"kind": kind, "phase": "decode", "tokens": length, "j_per_token": write_j / self.steps},
        ]


def _request(calls: Calls, kind: str, tokens: list[int]) -> dict[str, Any]:
    """A whole request. Bits are those of the texts of prompt and answer, as in a run."""
    energy_j, told = joules_of(calls.server, lambda: calls.complete(tokens, REQUEST_OUT))
    text = calls.text(tokens) + told["content"]
    return {"kind": kind, "energy_j": energy_j, "bits": BITS_PER_BYTE * len(text.encode())}


def _passage(calls: Calls, place_fraction: float, tokens: int) -> list[int]:
    """So many tokens of the text."""
    return calls.tokens(passage(place_fraction, LETTERS_PER_TOKEN * tokens + 64))[:tokens]
