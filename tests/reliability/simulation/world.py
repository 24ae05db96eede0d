"""One simulated run: its processes, what goes wrong, and what must hold."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import grpc
from grpc.aio import AioRpcError

from coordinator.slots.protocol import RequestError
from edge_node.adapters import attendance, batch_transfer
from protos import codec
from tests.reliability.simulation.disk import Disk, LedgerDisk
from tests.reliability.simulation.faults import Fault, Surroundings, surroundings
from tests.reliability.simulation.fleet import RUN
from tests.reliability.simulation.loop import Killed, VirtualLoop
from tests.reliability.simulation.network import KEEPALIVE_S, Connection, Network, broken
from tests.reliability.simulation.processes import WHO, Coordinator, Node, Runner
from tests.reliability.simulation.truth import Truth

NODES = tuple(f"n{index:02d}" for index in range(4))
SECONDS = 60.0
LOST_RECEIPTS = 0.03
"""Share of parcels that are taken in, and whose sender never hears of it."""
RESTART_S = (0.05, 0.8)
"""A process that was killed starts again after its fault's length and this."""


@dataclass(frozen=True)
class Outcome:
    """``violations`` are (promise, what broke it); ``trace`` is the hash of all that was said and written."""

    seed: int
    violations: tuple[tuple[str, str], ...]
    trace: str
    entries: int
    slots: int
    events: int
    ended_s: float


class World:
    """Everything of one seed."""

    def __init__(self, seed: int, seconds: float, around: Surroundings, until_s: float) -> None:
        self.seed, self.seconds, self.around, self._until_s = seed, seconds, around, until_s
        self.loop = VirtualLoop()
        self.loop.work_delay = self._work_delay
        self.draw = Random(f"world/{seed}")
        self.node_ids = NODES
        self._hash = hashlib.blake2b(digest_size=16)
        self.events = 0
        self.network = Network(self.loop, around, self.draw, self.trace)
        self.violations: list[tuple[str, str]] = []
        self.ledger = LedgerDisk(RUN)
        self.truth = Truth(self)
        self.ledger.on_commit = self.truth.committed
        self.network.on_heard = lambda node: self.truth.heard_at.update({node: self.loop.time()})
        self.disks = {name: Disk() for name in NODES}
        self.boots = dict.fromkeys(NODES, 0)
        self.nodes: dict[str, Node] = {}
        self.coordinator: Coordinator | None = None
        self.coordinator_since = 0.0
        self._closing = False
        self.asked_at: float | None = None
        """When the runner's call reached the coordinator, while it waits for the answer."""
        self.waits: list[tuple[float, float]] = []
        """Times during which it so waited."""
        self._slow: dict[str, float] = {}
        self._stalled_until = 0.0

    # --- time and trace --------------------------------------------------------------------------------------

    def clock_of(self, who: str) -> Callable[[], float]:
        skew = self.around.skew_s.get(who, 0.0) + 2 * 3600.0
        return lambda: self.loop.time() + skew

    def monotonic(self) -> float:
        return self.clock_of(WHO.get())()

    def trace(self, what: str, data: bytes = b"") -> None:
        self.events += 1
        self._hash.update(f"{self.loop.time():.6f} {what} ".encode())
        self._hash.update(data)

    def violated(self, promise: str, what: str) -> None:
        """A promise is broken: nothing after it matters."""
        if self._closing:
            return
        self.violations.append((promise, f"at {self.loop.time():.3f} s: {what}"))
        if self.loop.is_running():
            self.loop.stop()

    def _work_delay(self) -> float:
        slow_until = self._slow.get(WHO.get(), 0.0)
        if slow_until > self.loop.time():
            return self.draw.uniform(0.0, slow_until - self.loop.time())
        return self.draw.uniform(0.0, 0.002)

    def disk_delay(self) -> float:
        now = self.loop.time()
        return max(self.around.disk_s * self.draw.uniform(0.5, 1.5), self._stalled_until - now)

    # --- processes ---------------------------------------------------------------------------------------------

    def start_coordinator(self) -> None:
        self.trace("start coordinator")
        self.coordinator_since = self.loop.time()
        self.coordinator = Coordinator(self, self.ledger)

    def start_node(self, name: str) -> None:
        self.boots[name] += 1
        self.trace(f"start {name}")
        with contextlib.suppress(Killed):
            self.nodes[name] = Node(self, name, self.disks[name], self.boots[name])

    def kill(self, who: str, away_s: float) -> None:
        """SIGKILL; it is started again later."""
        self.trace(f"kill {who}")
        again = away_s + self.draw.uniform(*RESTART_S)
        if who == "coordinator":
            if self.coordinator is not None:
                process, self.coordinator = self.coordinator, None
                process.kill()
                self.loop.call_later(again, self.start_coordinator)
        elif (node := self.nodes.pop(who, None)) is not None:
            node.kill()
            self.loop.call_later(again, self.start_node, who)

    def hang_up(self, connection: Connection, who: str) -> None:
        """A process died: its kernel says so, where that can be heard."""
        other = connection.server if who == connection.client else connection.client
        at = self.network.arrival(who, other)
        after_s = KEEPALIVE_S if at is None else at - self.loop.time()
        client_s, server_s = (0.0, after_s) if who == connection.client else (after_s, 0.0)
        connection.break_(client_s, server_s)

    def dialled(self, connection: Connection) -> None:
        at = self.network.arrival(connection.client, connection.server)
        if at is None:
            connection.break_(KEEPALIVE_S, 0.0)
        else:
            self.loop.call_at(at, self._accept, connection)

    def _accept(self, connection: Connection) -> None:
        if self.coordinator is None or not self.coordinator.listening:
            connection.break_(self.around.latency_s, 0.0)
        elif not connection.severed:
            self.coordinator.attend(connection)

    async def deliver(self, source: Node, target: str, data: bytes, timeout: float) -> bytes:
        """A parcel's way to a peer and the receipt's way back. Now and then it comes twice: the client repeated
        it."""
        there = self.network.arrival(source.name, target)
        await asyncio.sleep(timeout if there is None else min(timeout, there - self.loop.time()))
        if there is None or there - self.loop.time() > 0:
            raise AioRpcError(grpc.StatusCode.DEADLINE_EXCEEDED, (), (), "no answer")
        peer = self.nodes.get(target)
        if peer is None:
            raise broken()
        self.trace(f"parcel {source.name}>{target}", data)
        answer = peer.receive(data)
        if self.draw.random() < 0.1:
            self.loop.call_later(self.draw.uniform(0.0, 1.0), self._again, target, data)
        back = self.network.arrival(target, source.name)
        await asyncio.sleep(timeout if back is None else min(timeout, back - self.loop.time()))
        if back is None or self.draw.random() < self.network.loss / 4:
            raise broken()
        if self.draw.random() < LOST_RECEIPTS:
            await asyncio.sleep(timeout)
            raise AioRpcError(grpc.StatusCode.DEADLINE_EXCEEDED, (), (), "no answer")
        return answer

    def _again(self, target: str, data: bytes) -> None:
        if (peer := self.nodes.get(target)) is not None:
            peer.receive(data)

    async def runner_call(self, rpc: codec.Rpc, data: bytes) -> bytes:
        """A call of the runner; where the connection breaks, the coordinator may still finish it."""
        there = self.network.arrival("runner", "coordinator")
        await asyncio.sleep(KEEPALIVE_S if there is None else there - self.loop.time())
        process = self.coordinator
        if there is None or process is None or not process.listening:
            raise broken()
        self.trace(f"call {rpc.method}", data)
        answer = self.loop.create_future()
        self.asked_at = self.loop.time()

        async def serve() -> None:
            result: bytes | RequestError | AioRpcError = broken()
            try:
                result = await process.serve(rpc, data)
            except RequestError as error:
                result = error
            finally:
                if answer.done():
                    pass
                elif isinstance(result, bytes):
                    answer.set_result(result)
                else:
                    answer.set_exception(result)

        task = process.spawn(serve())
        breaks = self.draw.random() < self.network.loss / 2
        if breaks:
            self.loop.call_later(self.draw.uniform(0.0, 3.0), self._hang_up_call, task, answer)
        try:
            return await asyncio.shield(answer)
        finally:
            self.waits.append((self.asked_at, self.loop.time()))
            self.asked_at = None

    def _hang_up_call(self, task: asyncio.Task[Any], answer: asyncio.Future[bytes]) -> None:
        if not answer.done():
            answer.set_exception(broken())
            if self.draw.random() < 0.5:
                task.cancel()  # the server noticed

    # --- the run -----------------------------------------------------------------------------------------------

    def run(self, ledger_copy: Path | None) -> Outcome:
        asyncio.set_event_loop(None)
        self.start_coordinator()
        for name in NODES:
            self.loop.call_later(self.draw.uniform(0.0, 0.5), self.start_node, name)
        self.runner = Runner(self)
        for fault in self.around.faults:
            self.loop.call_at(fault.at, self._strike, fault)
        self.loop.call_at(self._until_s, self.loop.stop)
        self.loop.run_forever()
        if not self.violations and self._until_s >= self.seconds:
            self.truth.at_the_end()
        outcome = Outcome(
            self.seed,
            tuple(self.violations),
            self._hash.hexdigest(),
            len(self.ledger.committed),
            len(self.runner.ended_at),
            self.events,
            self.loop.time(),
        )
        if ledger_copy is not None:
            with contextlib.closing(sqlite3.connect(ledger_copy)) as copy:
                self.ledger.database.backup(copy)
        self._close()
        return outcome

    def _close(self) -> None:
        """End what still runs, without a trace."""
        self._closing = True
        if self.coordinator is not None:
            self.coordinator.ledger.dead = True
        for _ in range(2):
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.call_later(0.5, self.loop.stop)
            self.loop.run_forever()
        self.loop.close()
        self.ledger.close()
        for disk in self.disks.values():
            disk.close()

    def _strike(self, fault: Fault) -> None:
        self.trace(f"fault {fault.kind} {fault.who}")
        if fault.kind == "crash":
            self.kill(fault.who, fault.length)
        elif fault.kind == "crash_at_write":
            self._crash_at_write(fault)
        elif fault.kind == "disk_stall":
            self._stalled_until = fault.at + fault.length
        elif fault.kind == "slow":
            self._slow[fault.who] = fault.at + fault.length
        elif fault.kind in ("cut", "half_open"):
            for connection in self.network.of(fault.who):
                if fault.kind == "cut":
                    connection.break_(0.0, self.draw.uniform(0.0, KEEPALIVE_S))
                else:
                    connection.break_(0.0, self.draw.uniform(0.0, KEEPALIVE_S), under_way_s=fault.length)

    def _crash_at_write(self, fault: Fault) -> None:
        disk = self.ledger if fault.who == "coordinator" else self.disks[fault.who]
        left = fault.count

        def on_write(after: bool) -> None:
            nonlocal left
            if after is fault.after:
                left -= 1
            if left <= 0:
                disk.on_write = lambda after: None
                if self.loop.time() < fault.at + fault.length + 10.0:
                    self.kill(fault.who, min(fault.length, 3.0))
                    raise Killed

        disk.on_write = on_write


def simulate(
    seed: int,
    seconds: float = SECONDS,
    keep: Sequence[int] | None = None,
    until_s: float | None = None,
    ledger_copy: Path | None = None,
) -> Outcome:
    """Run ``seed``. ``keep``: only these of its faults, by number; ``until_s``: stop before the end; ``ledger_copy``:
    where to leave the ledger's file."""
    around = surroundings(seed, seconds, NODES)
    if keep is not None:
        around = replace(around, faults=tuple(around.faults[index] for index in keep))
    world = World(seed, seconds, around, seconds if until_s is None else until_s)
    virtual = SimpleNamespace(monotonic=world.monotonic, monotonic_ns=lambda: round(world.monotonic() * 1e9))
    chance = Random(f"jitter/{seed}")
    logging.disable(logging.CRITICAL)
    gc.disable()  # a collection would end abandoned generators at a moment that depends on memory
    try:
        with (
            patch.object(attendance, "time", virtual),
            patch.object(attendance, "random", chance),
            patch.object(batch_transfer, "time", virtual),
            patch.object(batch_transfer, "random", chance),
        ):
            return world.run(ledger_copy)
    finally:
        gc.enable()
        logging.disable(logging.NOTSET)
