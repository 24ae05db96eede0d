"""The coordinator as a process, and nodes on threads that talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from grpc import aio

from coordinator.ledger import Ledger
from coordinator.slots.books import Books
from protos import codec
from protos.messages.stream import Heartbeat

ROOT = Path(__file__).parents[3]
PATIENT_S = 120.0
"""Ends a wait that would never end; what comes at all may come late on a busy machine."""


class Process:
    """``python -m coordinator`` on a configuration; comes back on the same port."""

    def __init__(self, config: Any, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.address, self.epoch = "", 0
        self.popen: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Start it, without a wait until it is ready."""
        path = self.folder / "coordinator.json"
        path.write_text(self.config.model_dump_json())
        with (self.folder / "coordinator.log").open("a") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "coordinator", str(path)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )

    def start(self) -> None:
        """Start it; it is ready when this returns. While it is away another program may have its port for a moment."""
        end_s = time.monotonic() + PATIENT_S
        while "cannot listen on" in (ready := self._told()).get("failed", "") and time.monotonic() < end_s:
            time.sleep(0.1)
        assert self.popen is not None
        assert "failed" not in ready, ready
        assert ready["pid"] == self.popen.pid
        self.address, self.epoch = ready["address"], ready["epoch"]
        self.config = self.config.model_copy(update={"port": int(self.address.rpartition(":")[2])})

    def _told(self) -> dict[str, Any]:
        """What it says once it has started, or cannot."""
        self.begin()
        assert self.popen is not None
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        assert line, (self.folder / "coordinator.log").read_text()
        told: dict[str, Any] = json.loads(line)
        return told

    def kill(self) -> None:
        assert self.popen is not None
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> int:
        assert self.popen is not None
        self.popen.terminate()
        return self.popen.wait(PATIENT_S)


class NodeThreads:
    """Stub nodes on real streams, in one event loop of a thread; they come back when a stream breaks."""

    def __init__(self, stubs: list[Any], address: str) -> None:
        self.stubs = {stub.node_id: stub for stub in stubs}
        self.address = address
        self.loop = asyncio.new_event_loop()
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        for node in self.stubs:
            self.revive(node)

    def revive(self, node: str) -> None:
        async def begin() -> None:
            self.tasks[node] = asyncio.ensure_future(self._attend(self.stubs[node]))

        asyncio.run_coroutine_threadsafe(begin(), self.loop).result(PATIENT_S)

    def kill(self, node: str) -> None:
        """Like kill -9 of the node: the stream ends, and unsent messages are lost."""

        async def end() -> None:
            self.tasks[node].cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.tasks[node]

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(PATIENT_S)

    def stop(self) -> None:
        for node in list(self.tasks):
            self.kill(node)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENT_S)
        self.loop.close()

    async def _attend(self, stub: Any) -> None:
        while True:
            try:
                async with aio.insecure_channel(
                    self.address,
                    options=[
                        ("grpc.initial_reconnect_backoff_ms", 50),
                        ("grpc.use_local_subchannel_pool", 1),
                    ],
                ) as channel:
                    await self._stream(stub, channel)
            except (aio.AioRpcError, asyncio.InvalidStateError):
                pass  # the coordinator ended, perhaps within a message: reconnect
            await asyncio.sleep(0.03)

    async def _stream(self, stub: Any, channel: aio.Channel) -> None:
        call = channel.stream_stream(
            codec.ATTEND.path, request_serializer=codec.encode_up, response_deserializer=codec.decode_down
        )()
        await call.write(stub.register())
        beat = asyncio.ensure_future(self._beat(stub, call))
        try:
            while (message := await call.read()) is not aio.EOF:
                for answer in stub.handle(message):
                    await call.write(answer)
        finally:
            beat.cancel()

    async def _beat(self, stub: Any, call: Any) -> None:
        while True:
            await asyncio.sleep(0.3)
            with contextlib.suppress(aio.AioRpcError, asyncio.InvalidStateError):
                await call.write(Heartbeat(stub.node_id, stub.boot_id, stub.seq, time.monotonic_ns()))


def books_of(config: Any) -> Books:
    books = Books(config)
    with Ledger(config.ledger_path, config.run_id) as ledger:
        for stored in ledger.entries():
            books.apply(stored.entry)
    return books
