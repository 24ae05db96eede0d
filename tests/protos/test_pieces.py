"""Letters in pieces: whole again, within the stream's limits, and refused where pieces do not fit together."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protos.codec import MAX_STREAM_BYTES, SERVE, ProtocolError
from protos.messages.boards import FLOWER, Piece
from protos.pieces import MAX_LETTER_BYTES, PIECE_BYTES, Assembly, Letter, cut


@given(st.lists(st.integers(0, 3 * PIECE_BYTES), max_size=4))
@settings(max_examples=25, deadline=None)
def test_a_letter_is_whole_again_and_no_piece_too_large(sizes: list[int]) -> None:
    parts = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    assembly, found = Assembly(), list[Letter]()
    for piece in cut("m1", FLOWER, parts):
        data = SERVE.encode_request(piece)
        assert len(data) <= MAX_STREAM_BYTES
        if (letter := assembly.take(SERVE.decode_response(SERVE.encode_response(piece)))) is not None:
            found.append(letter)
    assert [(letter.letter_id, letter.kind, bytes(letter.content)) for letter in found] == [
        ("m1", FLOWER, b"".join(parts))
    ]


def test_one_letter_follows_another() -> None:
    assembly = Assembly()
    pieces = [*cut("a", FLOWER, [b"x" * (PIECE_BYTES + 1)]), *cut("b", FLOWER, [b"yz"])]
    assert [len(piece.data) for piece in pieces] == [PIECE_BYTES, 1, 2]
    letters = [letter for piece in pieces if (letter := assembly.take(piece)) is not None]
    assert [letter.letter_id for letter in letters] == ["a", "b"]
    assert letters[1].content == b"yz"


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (Piece("b", FLOWER, 4, b"cd"), "a, which is not whole"),
        (Piece("a", "other", 4, b"cd"), "a, which is not whole"),
        (Piece("a", FLOWER, 5, b"cd"), "a, which is not whole"),
        (Piece("a", FLOWER, 4, b"cde"), "the letter's total"),
    ],
)
def test_a_piece_that_does_not_belong_here_is_refused(second: Piece, said: str) -> None:
    assembly = Assembly()
    assert assembly.take(Piece("a", FLOWER, 4, b"ab")) is None
    with pytest.raises(ProtocolError, match=said):
        assembly.take(second)


def test_a_letter_that_is_too_large_is_refused_before_it_is_gathered() -> None:
    with pytest.raises(ProtocolError, match="at most"):
        Assembly().take(Piece("a", FLOWER, MAX_LETTER_BYTES + 1, b""))
