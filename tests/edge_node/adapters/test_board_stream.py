"""One stream of a board: what it says and hears, and how it ends."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from edge_node.adapters import board_stream
from edge_node.adapters.board_stream import BoardStream
from edge_node.adapters.stream import StreamOver
from protos.codec import SERVE, ProtocolError
from protos.messages.boards import FLOWER, Beat, Hosting, Piece, Present, Release
from protos.pieces import PIECE_BYTES, Letter, cut

PRESENT = Present("n0", "boot", "", 1, {})


class Call:
    """The other side. ``hears``: what it says, None for silence."""

    def __init__(self, hears: list[Any]) -> None:
        self.hears, self.said, self.over = list(hears), list[Any](), False

    def __call__(self, path: str) -> Call:
        assert path == SERVE.path
        return self

    stream_stream = property(lambda self: lambda path: lambda: self)

    async def read(self) -> Any:
        if not self.hears:
            await asyncio.sleep(3600)
        said = self.hears.pop(0)
        return said if said is board_stream._END_OF_STREAM else SERVE.encode_response(said)

    async def write(self, data: bytes) -> None:
        self.said.append(SERVE.decode_request(data))

    def cancel(self) -> None:
        self.over = True


def heard(call: Call, say: Any = lambda _: None) -> tuple[list[Any], BaseException]:
    found: list[Any] = []

    async def run() -> BaseException:
        stream = BoardStream(call, PRESENT)  # type: ignore[arg-type]
        say(stream)
        try:
            async for message in stream.heard():
                found.append(message)
                await asyncio.sleep(0)
        except (StreamOver, ProtocolError) as error:
            return error
        raise AssertionError("a stream ends with an error")

    return found, asyncio.run(run())


def test_letters_are_whole_and_signs_of_life_pass_unheard() -> None:
    pieces = list(cut("m", FLOWER, [b"x" * (PIECE_BYTES + 5)]))
    call = Call([Beat(), *pieces, Release(), board_stream._END_OF_STREAM])
    found, error = heard(call)
    assert found == [Letter("m", FLOWER, bytearray(b"x" * (PIECE_BYTES + 5))), Release()]
    assert "closed the stream" in str(error)
    assert call.over


def test_it_presents_itself_first_and_says_the_rest_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_stream, "SILENT_S", 2.0)
    monkeypatch.setattr(board_stream, "BEAT_S", 0.05)

    def say(stream: BoardStream) -> None:
        stream.say(Hosting("s", "", ""))
        stream.answer("m", [b"y" * PIECE_BYTES, b"z"])

    call = Call([])
    found, error = heard(call, say)
    assert (found, str(error)) == ([], "nothing was heard for 2 s")
    assert call.said[:2] == [PRESENT, Hosting("s", "", "")]
    assert [len(piece.data) for piece in call.said[2:4] if isinstance(piece, Piece)] == [PIECE_BYTES, 1]
    assert call.said[-1] == Beat()


def test_pieces_of_two_letters_end_it() -> None:
    call = Call([Piece("a", FLOWER, 4, b"x"), Piece("b", FLOWER, 4, b"x")])
    assert isinstance(heard(call)[1], ProtocolError)


class Refused(Call):
    """A stream that the other side ends while the board speaks: both directions fail, and one of them is read."""

    async def read(self) -> Any:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise StreamOver("the certificate is revoked") from None  # as gRPC, which has heard it meanwhile

    async def write(self, data: bytes) -> None:
        raise asyncio.InvalidStateError("the stream is done")


def test_an_end_that_both_directions_tell_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    found, error = heard(Refused([]))
    gc.collect()
    assert (found, str(error)) == ([], "the stream is done")
    assert "never retrieved" not in caplog.text
