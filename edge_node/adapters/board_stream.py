"""One stream of a board to the runner's machine: letters out and in, signs of life, until it is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import grpc.aio

from edge_node.adapters.stream import StreamOver, mark_error_read
from protos.codec import SERVE
from protos.messages.boards import BEAT_S, FLOWER, SILENT_S, Beat, FromBoard, Hosting, Piece, Present, Release
from protos.messages.stream import Refusal
from protos.pieces import Assembly, Buffer, Letter, cut

log = logging.getLogger(__name__)

_END_OF_STREAM: Any = cast(Any, grpc.aio).EOF


class BoardStream:
    """A call of ``Serve``: opened with ``present``, heard to its end with ``heard``."""

    def __init__(self, channel: grpc.aio.Channel, present: Present) -> None:
        self._call: Any = cast(Any, channel).stream_stream(SERVE.path)()
        self._present = present
        self._letters: asyncio.Queue[tuple[str, Sequence[Buffer]] | FromBoard] = asyncio.Queue()

    def say(self, message: Hosting) -> None:
        """Send a message in its turn. On the stream's loop, as all here."""
        self._letters.put_nowait(message)

    def answer(self, letter_id: str, content: Sequence[Buffer]) -> None:
        """Send the answer to a Flower message in its turn."""
        self._letters.put_nowait((letter_id, content))

    async def heard(self) -> AsyncIterator[Letter | Release | Refusal]:
        """What the runner's machine says, until the stream breaks: StreamOver, ProtocolError or AioRpcError."""
        speaking = mark_error_read(asyncio.create_task(self._speak()))
        beating = mark_error_read(asyncio.create_task(self._beat()))
        assembly = Assembly()
        try:
            while True:
                hearing = mark_error_read(asyncio.ensure_future(self._call.read()))
                done, _ = await asyncio.wait(
                    {hearing, speaking, beating}, timeout=SILENT_S, return_when=asyncio.FIRST_COMPLETED
                )
                if hearing not in done:
                    hearing.cancel()
                    for task in done:
                        task.result()  # raises what ended it
                    raise StreamOver(f"nothing was heard for {SILENT_S:g} s")
                data = hearing.result()
                if data is _END_OF_STREAM:
                    raise StreamOver("the runner's machine closed the stream")
                message = SERVE.decode_response(bytes(data))
                if isinstance(message, Piece):
                    message = assembly.take(message)
                if message is not None and not isinstance(message, Beat):
                    yield message
        finally:
            speaking.cancel()
            beating.cancel()
            self._call.cancel()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            self._letters.put_nowait(Beat())

    async def _speak(self) -> None:
        await self._write(self._present)
        while True:
            turn = await self._letters.get()
            if not isinstance(turn, tuple):
                await self._write(turn)
                continue
            letter_id, content = turn
            for piece in cut(letter_id, FLOWER, content):
                await self._write(piece)

    async def _write(self, message: FromBoard) -> None:
        try:
            await self._call.write(SERVE.encode_request(message))
        except asyncio.InvalidStateError as error:  # the stream ended before its end was read
            raise StreamOver(str(error)) from error
