"""Requests of a node's users: passages of natural text, of exactly so many tokens, and how they travel as a batch."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pydoc_data.topics import topics

import numpy as np
from numpy.typing import NDArray

from edge_node.workload import Arrays

LETTERS = 200_000
"""Of the text that passages are taken from."""
TOKENS, LENGTHS, TEXT_BYTES = "tokens", "lengths", "text_bytes"
"""Arrays of a batch: (B, W) int32 tokens of the prompts; (B, 2) int32 tokens of prompt and answer; (B,) int32 bytes of
the prompt's text."""
BYTES_PER_TOKEN = 4.0
"""Of English text, for plans: what is booked is counted."""
TIMEOUT_S = 60.0


@cache
def natural_text() -> str:
    """Python's documentation, which every machine has."""
    text = re.sub(r"\s+", " ", " ".join(topics[name] for name in sorted(topics)))
    return text[:LETTERS]


@dataclass(frozen=True)
class Corpus:
    """The text as one model's tokens."""

    tokens: NDArray[np.int32]
    ends: NDArray[np.int64]
    """(tokens + 1,) bytes of text before each token."""

    def bytes_of(self, start: int, count: int) -> int:
        return int(self.ends[start + count] - self.ends[start])


def tokenised(url: str) -> Corpus:
    """The text in tokens of the model that the server at ``url`` has. Raises OSError without an answer."""
    body = json.dumps({"content": natural_text(), "with_pieces": True}).encode()
    request = urllib.request.Request(f"{url}/tokenize", body, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine
    with opener.open(request, timeout=TIMEOUT_S) as answer:
        told = json.load(answer)["tokens"]
    sizes = [
        len(one["piece"].encode()) if isinstance(one["piece"], str) else len(one["piece"]) for one in told
    ]
    ends = np.concatenate(([0], np.cumsum(sizes)))
    return Corpus(np.array([one["id"] for one in told], dtype=np.int32), ends.astype(np.int64))


def passage(corpus: Corpus, start: int, count: int) -> tuple[NDArray[np.int32], int]:
    """(``count`` tokens of the text from ``start`` on, their bytes of text); the text wraps around."""
    pieces, size = [corpus.tokens[:0]], 0
    while count > 0:  # it may be longer than the text
        start %= len(corpus.tokens)
        taken = min(count, len(corpus.tokens) - start)
        pieces.append(corpus.tokens[start : start + taken])
        size += corpus.bytes_of(start, taken)
        start, count = start + taken, count - taken
    return np.concatenate(pieces), size


def batch_of(
    corpus: Corpus,
    lengths: Sequence[tuple[int, int]],
    starts: Sequence[int],
    shared: int,
    longest: int,
) -> Arrays:
    """Requests of these (prompt, answer) lengths. Each prompt begins with the first ``shared`` tokens of the text and
    goes on with a passage at its start, a number >= 0 that wraps around."""
    tokens = np.zeros((len(lengths), longest), dtype=np.int32)
    text_bytes = np.zeros(len(lengths), dtype=np.int32)
    for row, ((prompt, _), start) in enumerate(zip(lengths, starts, strict=True)):
        common = min(shared, prompt)
        first, first_bytes = passage(corpus, 0, common)
        rest, rest_bytes = passage(corpus, start, prompt - common)
        tokens[row, :prompt] = np.concatenate((first, rest))
        text_bytes[row] = first_bytes + rest_bytes
    return {TOKENS: tokens, LENGTHS: np.array(lengths, dtype=np.int32).reshape(-1, 2), TEXT_BYTES: text_bytes}
