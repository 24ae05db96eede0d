"""Network of the simulation: gRPC's streams and calls as TCP carries them.

A lost packet is sent again and delays what follows it on its stream; where nothing passes for longer than the
keepalive allows, the stream breaks, and everything not delivered is lost. So a stream keeps its order and
doubles nothing; what comes twice comes over another stream, or is a call that was repeated because its answer
was lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

import grpc
from grpc.aio import EOF, AioRpcError

from tests.reliability.simulation.faults import Surroundings
from tests.reliability.simulation.loop import VirtualLoop

KEEPALIVE_S = 8.0
"""A dead peer is noticed after ping (5 s) and its time-out (3 s), as the servers are set."""
RETRANSMIT_S = (0.0, 0.2, 0.6, 1.4, 3.0, 6.2)
"""A packet is sent at these times after the first, until it arrives."""


def broken() -> AioRpcError:
    return AioRpcError(grpc.StatusCode.UNAVAILABLE, (), (), "the connection broke")


class Network:
    """``trace`` hears of every delivery."""

    def __init__(
        self, loop: VirtualLoop, around: Surroundings, draw: Random, trace: Callable[[str, bytes], None]
    ) -> None:
        self.loop, self.draw, self.trace = loop, draw, trace
        self.loss, self._latency_s = around.loss, around.latency_s
        self._walls = [
            (f.who, f.at, f.at + f.length, f.kind == "deaf")
            for f in around.faults
            if f.kind in ("partition", "deaf")
        ]
        self.connections: set[Connection] = set()
        self.on_heard: Callable[[str], None] = lambda node: None
        """Called when a message of a node comes to the coordinator."""
        self.numbered = 0

    def is_blocked(self, source: str, target: str, at: float) -> bool:
        return any(
            begin <= at < end and (target == who or (source == who and not deaf))
            for who, begin, end, deaf in self._walls
        )

    def arrival(self, source: str, target: str) -> float | None:
        """When a packet sent now arrives; None where it does not within the keepalive."""
        now = self.loop.time()
        for after in RETRANSMIT_S:
            if not self.is_blocked(source, target, now + after) and self.draw.random() >= self.loss:
                return now + after + self._latency_s * self.draw.uniform(0.5, 2.0)
        return None

    def of(self, who: str) -> list[Connection]:
        found = [each for each in self.connections if who in (each.client, each.server)]
        return sorted(found, key=lambda each: each.number)


class Pipe:
    """One direction of a stream."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._items: deque[Any] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.last_at = 0.0
        self.under_way: deque[tuple[Any, bool]] = deque()
        self.over: Any = None
        """What ended it."""

    def push(self, item: bytes) -> None:
        if self.over is None:
            self._items.append(item)
            self._wake()

    def end(self, how: Any) -> None:
        if self.over is None:
            self.over = how
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> Any:
        """The next item, or how it ended."""
        while not self._items:
            if self.over is not None:
                return self.over
            self._waiter = self._loop.create_future()
            await self._waiter
        return self._items.popleft()


class Connection:
    """A stream of a node to the coordinator. ``on_break`` tells the server's side that it is gone."""

    def __init__(self, network: Network, client: str, server: str) -> None:
        self._network, self.client, self.server = network, client, server
        network.numbered += 1
        self.number = network.numbered
        self.to_client, self.to_server = Pipe(network.loop), Pipe(network.loop)
        self.severed = False
        """Nothing that is under way arrives any more."""
        self.on_break: Callable[[], None] = lambda: None
        network.connections.add(self)

    def send(self, source: str, data: Any, *, last: bool = False) -> None:
        if self.severed:
            return
        upward = source == self.client
        target, pipe = (self.server, self.to_server) if upward else (self.client, self.to_client)
        at = self._network.arrival(source, target)
        if at is None:
            self.break_(KEEPALIVE_S, KEEPALIVE_S)
            return
        pipe.last_at = at = max(at, pipe.last_at)
        pipe.under_way.append((data, last))
        self._network.loop.call_at(at, self._deliver, pipe, target)

    def _deliver(self, pipe: Pipe, target: str) -> None:
        """The oldest that is under way: events of one moment have no order."""
        data, last = pipe.under_way.popleft()
        if self.severed:
            return
        if last:
            pipe.end(data)
            return
        self._network.trace(f"{self.number}>{target}", data)
        if target == self.server:
            self._network.on_heard(self.client)
        pipe.push(data)

    def break_(self, client_s: float, server_s: float, *, under_way_s: float = 0.0) -> None:
        """The client's side ends after ``client_s``, the server's after ``server_s``; what is under way is lost, or
        comes to the server up to ``under_way_s`` later."""
        loop = self._network.loop
        if under_way_s:
            self.to_client.end(broken())
            loop.call_later(under_way_s, self.break_, 0.0, server_s)
            return
        self.severed = True
        self._network.connections.discard(self)
        loop.call_later(client_s, self.to_client.end, broken())
        loop.call_later(server_s, self._server_ends)

    def _server_ends(self) -> None:
        self.to_server.end(None)
        self.on_break()


class ClientCall:
    """A node's side of a stream, as grpc.aio gives it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def write(self, data: bytes) -> None:
        if self._connection.to_client.over is not None:
            raise asyncio.InvalidStateError("the stream is over")
        self._connection.send(self._connection.client, data)

    async def read(self) -> Any:
        item = await self._connection.to_client.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def cancel(self) -> None:
        if not self._connection.severed:
            network = self._connection._network
            at = network.arrival(self._connection.client, self._connection.server)
            after_s = KEEPALIVE_S if at is None else at - network.loop.time()
            self._connection.break_(0.0, after_s)


__all__ = ["EOF", "KEEPALIVE_S", "ClientCall", "Connection", "Network", "Pipe", "broken"]
