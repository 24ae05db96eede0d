"""Operations counted for a request: answered, or failed by each kind of error."""

from __future__ import annotations

import pytest

from edge_node.language.ask import AskError, GoneError, Said
from edge_node.language.asked import Asked
from edge_node.language.counted import ReadWrite, UnusedError, begun_flop, said_flop
from edge_node.language.shape import Shape

SHAPE = Shape(10.0, 5.0, 1.0)
SAID = Said(5, 3, 4, 0.1, 0.1, 0.1, 0.2, 3, 100)
"""Three tokens of the prompt were read after five; four were written."""
ASKED = Asked(list(range(8)), 4, 30)


def test_an_answer_is_what_was_read_and_the_steps_after_its_first_token() -> None:
    found = said_flop(SHAPE, SAID)
    assert found == ReadWrite(SHAPE.prefill_flop(3, 5), SHAPE.decode_flop(8, 4))
    assert found.whole == found.read + found.write


@pytest.mark.parametrize(
    ("error", "cached", "expected"),
    [
        (UnusedError("no use", SAID), 5, said_flop(SHAPE, SAID)),
        (GoneError("it died", 2), 0, ReadWrite(SHAPE.prefill_flop(8), SHAPE.decode_flop(8, 2))),
        (GoneError("it died"), 5, ReadWrite(SHAPE.prefill_flop(3, 5), 0.0)),
        (AskError("refused"), 0, ReadWrite(0.0, 0.0)),
        (OSError("no server"), 0, ReadWrite(0.0, 0.0)),
    ],
)
def test_before_an_error(error: Exception, cached: int, expected: ReadWrite) -> None:
    assert begun_flop(SHAPE, ASKED, error, cached) == expected
