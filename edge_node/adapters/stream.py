"""One gRPC stream to the coordinator: messages out, messages in, until it is over."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar, cast

import grpc.aio

from protos.codec import ATTEND
from protos.messages.stream import DownMessage, UpMessage

_END_OF_STREAM: Any = cast(Any, grpc.aio).EOF
_Future = TypeVar("_Future", bound=asyncio.Future[Any])


def mark_error_read(task: _Future) -> _Future:
    """Returns ``task``. Its error counts as read when it ends: asyncio logs errors of tasks that are not awaited, as
    that of the second direction of a stream that has ended."""
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


class StreamOver(Exception):
    """The stream has ended and is to be opened again."""


class Stream:
    """A call of ``Attend``. On the host's loop only."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...] = ()) -> None:
        self._call: Any = cast(Any, channel).stream_stream(ATTEND.path)(metadata=metadata)
        self._writing = asyncio.Lock()

    async def say(self, message: UpMessage) -> None:
        """Raises StreamOver where the stream has ended, ProtocolError for a message that breaks the contract."""
        # gRPC takes one write at a time: a heartbeat into an answer that is on its way would end the stream.
        async with self._writing:
            try:
                await self._call.write(ATTEND.encode_request(message))
            except asyncio.InvalidStateError as error:  # the stream ended before its end was read
                raise StreamOver(str(error)) from error

    async def hear(self) -> DownMessage:
        """The coordinator's next message. Raises StreamOver, ProtocolError or grpc.aio.AioRpcError."""
        data = await self._call.read()
        if data is _END_OF_STREAM:
            raise StreamOver("the coordinator closed the stream")
        return cast(DownMessage, ATTEND.decode_response(bytes(data)))

    def cancel(self) -> None:
        """End the stream."""
        self._call.cancel()
