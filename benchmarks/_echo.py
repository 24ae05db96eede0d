"""Streams of messages to a server, and the simplest such server: it sends every message back.

``python -m benchmarks._echo`` serves, and prints its port. The load is the same for both servers: ``streams``
streams, each with at most ``WINDOW`` messages on their way; a message counts when its echo, or an acknowledgement
of it, has come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

import grpc
from grpc import aio

WINDOW = 32
END_OF_STREAM: Any = cast(Any, aio).EOF
PATH = "/detabed.benchmark/Echo"
OPTIONS = (("grpc.use_local_subchannel_pool", 1),)

Answered = Callable[[bytes, int], int]
"""(answer, messages answered before it) -> messages answered with it."""


def one_each(answer: bytes, before: int) -> int:
    """Of an echo."""
    return before + 1


class Load:
    """Streams on ``address``. ``opening``: sent first on each, and its answer waited for."""

    def __init__(
        self, address: str, path: str, streams: int, metadata: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self._channel = cast(Any, aio.insecure_channel(address, options=OPTIONS))
        call = self._channel.stream_stream(path)
        self._calls = [call(metadata=metadata) for _ in range(streams)]

    async def open(self, openings: Sequence[bytes]) -> list[bytes]:
        """First messages and their answers, stream by stream."""
        for call, opening in zip(self._calls, openings, strict=True):
            await call.write(opening)
        return [await call.read() for call in self._calls]

    async def rate(self, messages: Sequence[Sequence[bytes]], answered: Sequence[Answered]) -> float:
        """Messages a second until the last of them is answered."""
        begin = time.perf_counter()
        await asyncio.gather(*map(_exchange, self._calls, messages, answered))
        return sum(map(len, messages)) / (time.perf_counter() - begin)

    async def close(self) -> None:
        for call in self._calls:
            call.cancel()
        await self._channel.close()


async def _exchange(call: Any, messages: Sequence[bytes], answered: Answered) -> None:
    came, room = 0, asyncio.Semaphore(WINDOW)

    async def write() -> None:
        for message in messages:
            await room.acquire()
            await call.write(message)

    writer = asyncio.ensure_future(write())
    try:
        while came < len(messages):
            answer = await call.read()
            if answer is END_OF_STREAM:
                raise RuntimeError(f"the stream ended after {came} of {len(messages)} messages")
            now = min(answered(answer, came), len(messages))
            for _ in range(now - came):
                room.release()
            came = now
        await writer
    finally:
        writer.cancel()


async def _echo(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    async for message in requests:
        yield message


async def serve() -> None:
    """Until it is ended."""
    server = aio.server()
    _, service, method = PATH.split("/")
    handler = grpc.stream_stream_rpc_method_handler(_echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve())
