"""Connections that mean no good, of every kind tried: idle, oversized, slow, half-open, wrong protocol, strangers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from grpc import aio

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
HELLO_TLS = bytes.fromhex("16030100a5010000a10303") + bytes(160)
OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", 64 << 20))

Kind = Callable[["Flood"], Awaitable[None]]


class Flood:
    """``count`` hostile connections to ``address`` at a time: one that has ended is followed by another. ``path``: the
    stream that is called."""

    def __init__(self, address: str, count: int, path: str) -> None:
        self.host, port = address.rsplit(":", 1)
        self.port, self.address, self.path = int(port), address, path
        self.begun = dict.fromkeys(KINDS, 0)
        self._count = count
        self._stopping = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._run(),), daemon=True
        )

    def __enter__(self) -> Flood:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        kinds = itertools.cycle(KINDS)
        tasks = [asyncio.ensure_future(self._again(next(kinds))) for _ in range(self._count)]
        await self._stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _again(self, kind: str) -> None:
        # A cancellation that comes as a connection ends can be lost in wait_for: the event is asked too.
        while not self._stopping.is_set():
            self.begun[kind] += 1
            with contextlib.suppress(
                OSError, EOFError, TimeoutError, aio.AioRpcError, aio.UsageError, asyncio.InvalidStateError
            ):
                await asyncio.wait_for(KINDS[kind](self), 20)
            await asyncio.sleep(0.5)


@contextlib.asynccontextmanager
async def _call(flood: Flood) -> Any:
    async with aio.insecure_channel(flood.address, options=OPTIONS) as channel:
        yield channel.stream_stream(flood.path)()


async def _raw(flood: Flood, *parts: bytes, pause_s: float = 0.0) -> None:
    """Send parts with pauses, then read until the other end closes."""
    reader, writer = await asyncio.open_connection(flood.host, flood.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        while await reader.read(65_536):
            pass
    finally:
        writer.transport.abort()


async def idle(flood: Flood) -> None:
    """A stream on which nothing is said."""
    async with _call(flood) as call:
        await call.read()


async def oversized(flood: Flood) -> None:
    """Messages of four MiB."""
    async with _call(flood) as call:
        while True:
            await call.write(bytes(4 << 20))
            await call.read()


async def slow(flood: Flood) -> None:
    """A connection whose first bytes come one by one."""
    await _raw(flood, *(bytes((byte,)) for byte in PREFACE + SETTINGS), pause_s=0.3)


async def half_open(flood: Flood) -> None:
    """A connection that is made and left."""
    await _raw(flood, PREFACE + SETTINGS)


async def silent(flood: Flood) -> None:
    """Not even a preface."""
    await _raw(flood)


async def wrong_protocol(flood: Flood) -> None:
    await _raw(flood, b"GET / HTTP/1.1\r\nHost: n0\r\n\r\n" * 100)


async def tls(flood: Flood) -> None:
    await _raw(flood, HELLO_TLS)


async def garbage(flood: Flood) -> None:
    """Bytes that are no message."""
    async with _call(flood) as call:
        for k in range(1000):
            await call.write(bytes((k % 256,)) * 1000)
            if await call.read() is aio.EOF:
                return


KINDS: dict[str, Kind] = {
    each.__name__: each for each in (idle, oversized, slow, half_open, silent, wrong_protocol, tls, garbage)
}
