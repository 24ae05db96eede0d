"""Letters cut into pieces that fit a stream, and put together again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from protos.messages.boards import Piece
from protos.validation import MAX_STREAM_BYTES, ProtocolError

PIECE_BYTES = MAX_STREAM_BYTES - 4096
"""Data of a piece; the rest is for its head."""
MAX_LETTER_BYTES = 512 * 1024 * 1024
"""Largest letter: a model of 128 million parameters of four bytes."""

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Letter:
    """One that is complete."""

    letter_id: str
    kind: str
    content: bytearray


def cut(letter_id: str, kind: str, content: Sequence[Buffer]) -> Iterator[Piece]:
    """Pieces of a letter whose content is ``content``, one after the other; nothing is copied before its turn.

    Raises ProtocolError where it is too large.
    """
    views = [memoryview(part).cast("B") for part in content]
    total = sum(len(view) for view in views)
    _check(total)
    if not total:
        yield Piece(letter_id, kind, 0, b"")
    gathered = bytearray()
    for view in views:
        while view:
            taken = view[: PIECE_BYTES - len(gathered)]
            gathered += taken
            view = view[len(taken) :]
            if len(gathered) == PIECE_BYTES:
                yield Piece(letter_id, kind, total, bytes(gathered))
                gathered.clear()
    if gathered:
        yield Piece(letter_id, kind, total, bytes(gathered))


class Assembly:
    """Pieces of one stream, as they come."""

    def __init__(self) -> None:
        self._first: Piece | None = None
        self._content = bytearray()

    def take(self, piece: Piece) -> Letter | None:
        """The letter that ``piece`` completes. Raises ProtocolError for one that does not belong here."""
        first = self._first
        if first is None:
            _check(piece.total_bytes)
            first = self._first = piece
        elif (piece.letter_id, piece.kind, piece.total_bytes) != (
            first.letter_id,
            first.kind,
            first.total_bytes,
        ):
            raise ProtocolError("Piece.letter_id", piece.letter_id, f"{first.letter_id}, which is not whole")
        if len(self._content) + len(piece.data) > first.total_bytes:
            raise ProtocolError("Piece.data", f"more than {first.total_bytes} bytes", "the letter's total")
        self._content += piece.data
        if len(self._content) < first.total_bytes:
            return None
        whole = Letter(first.letter_id, first.kind, self._content)
        self._first, self._content = None, bytearray()
        return whole


def _check(total: int) -> None:
    if total > MAX_LETTER_BYTES:
        raise ProtocolError("Piece.total_bytes", total, f"at most {MAX_LETTER_BYTES}")
