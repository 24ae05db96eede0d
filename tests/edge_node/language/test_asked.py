"""One request: what cannot be answered is refused with both numbers."""

from __future__ import annotations

import numpy as np
import pytest

from edge_node.language.ask import AskError
from edge_node.language.asked import TURN, Asked, Turn, requests_of, require_answerable
from edge_node.language.prompts import LENGTHS, TEXT_BYTES, TOKENS


def test_a_prompt_beyond_the_context_names_both_numbers() -> None:
    require_answerable(Asked([1] * 6, 4, 0), 10)
    with pytest.raises(AskError, match=r"7 tokens of prompt and 4 of answer are more than the context of 10"):
        require_answerable(Asked([1] * 7, 4, 0), 10)
    with pytest.raises(AskError, match="damaged on its way"):
        require_answerable(Asked([], 4, 0), 10)


def test_a_turn_travels_with_its_request() -> None:
    batch = {
        TOKENS: np.array([[5, 6, 0]], dtype=np.int32),
        LENGTHS: np.array([[2, 3]], dtype=np.int32),
        TEXT_BYTES: np.array([8], dtype=np.int32),
    }
    assert requests_of(batch)[0].turn is None
    told = {**batch, TURN: np.array([[7, 3, 1, 1]], dtype=np.int32)}
    assert requests_of(told) == [Asked([5, 6], 3, 8, Turn(7, 3, 1, True))]
    damaged = {**batch, TURN: np.array([[-7, 3, 9, 0]], dtype=np.int32)}
    assert requests_of(damaged)[0].turn == Turn(0, 3, 3, False)
