"""Requests of a node's users: passages of exactly so many tokens."""

from __future__ import annotations

import numpy as np

from edge_node.language.prompts import LENGTHS, TEXT_BYTES, TOKENS, Corpus, batch_of, natural_text

CORPUS = Corpus(np.arange(100, 110, dtype=np.int32), np.arange(0, 33, 3, dtype=np.int64))
"""Ten tokens of three bytes each."""


def test_a_prompt_begins_with_what_is_shared_and_goes_on_where_it_starts() -> None:
    batch = batch_of(CORPUS, [(5, 7), (1, 1)], [4, 0], shared=2, longest=6)
    assert batch[TOKENS].tolist() == [[100, 101, 104, 105, 106, 0], [100, 0, 0, 0, 0, 0]]
    assert batch[LENGTHS].tolist() == [[5, 7], [1, 1]]
    assert batch[TEXT_BYTES].tolist() == [15, 3]


def test_a_prompt_longer_than_the_text_begins_it_again() -> None:
    batch = batch_of(CORPUS, [(12, 1)], [8], shared=0, longest=12)
    assert batch[TOKENS][0].tolist() == [108, 109, *range(100, 110)]
    assert batch[TEXT_BYTES].tolist() == [36]


def test_the_text_is_natural_and_long_enough() -> None:
    assert len(natural_text()) == 200_000
    assert "  " not in natural_text()
