"""The processes of a run: coordinator, nodes, and the runner. All logic is the product's; only gRPC, disks and
clocks are simulated."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import grpc
from grpc.aio import AioRpcError

from coordinator.adapters.attendance import Attendance
from coordinator.adapters.durability import Durability
from coordinator.adapters.outboxes import Outboxes
from coordinator.adapters.runner_calls import RunnerCalls
from coordinator.slots.protocol import RequestError
from coordinator.slots.service import CoordinatorService
from edge_node.adapters.attendance import Attendance as NodeAttendance
from edge_node.adapters.batch_transfer import PeerClient
from edge_node.adapters.beats import Beats
from edge_node.adapters.lease import Lease
from edge_node.build import build_node
from edge_node.slots.errors import NodeError
from protos import codec
from protos.access.config import Access
from protos.access.guard import Guard
from protos.messages.parcels import Parcel, Receipt
from protos.messages.runner import BeginSlot, EndSlot, SlotPlan
from tests.reliability.simulation.disk import Disk, LedgerDisk, SimulatedLedger, open_outbox
from tests.reliability.simulation.fleet import coordinator_config, node_config, policy
from tests.reliability.simulation.loop import Killed
from tests.reliability.simulation.network import ClientCall, Connection

if TYPE_CHECKING:
    from tests.reliability.simulation.world import World

WHO: ContextVar[str] = ContextVar("who", default="world")
"""The process that runs: its clock, and the speed of its threads."""
PATIENCE_S = 4.0
"""A node waits so long for its slot to be ready."""

LATE_SHARE = 0.1
"""Share of the slots before which the runner is away, for longer than a lease or nearly so."""


class Process:
    """``kill`` ends it as SIGKILL does: nothing of it runs on, and only its disk stays."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name, self.alive = world, name, True
        self._context = copy_context()
        self._context.run(WHO.set, name)
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        task = self.world.loop.create_task(self._guarded(work), context=self._context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, work: Any) -> Any:
        try:
            return await work
        except (asyncio.CancelledError, Killed):
            raise
        except Exception as error:
            if self.alive:
                self.world.violated("unhandled", f"{self.name}: {type(error).__name__}: {error}")

    def kill(self) -> None:
        self.alive = False
        for task in sorted(self._tasks, key=id):
            task.cancel()
        for connection in self.world.network.of(self.name):
            self.world.hang_up(connection, self.name)


class Coordinator(Process):
    """The coordinator's process from its start to its death."""

    def __init__(self, world: World, disk: LedgerDisk) -> None:
        super().__init__(world, "coordinator")
        config = coordinator_config(world.node_ids)
        self.ledger = SimulatedLedger(disk, world.loop, world.disk_delay)
        recorded = [stored.entry for stored in self.ledger.entries()]
        clock = world.clock_of("coordinator")
        self.service = CoordinatorService(config, policy(), clock, self.ledger.digest, recorded)
        outboxes = Outboxes()
        self.durability = Durability(self.ledger, outboxes, clock)
        self.attendance = Attendance(self.service, self.durability, outboxes, Guard(Access()), 100)
        self.calls = RunnerCalls(self.service, self.durability, clock)
        self.listening = False
        self.spawn(self._start())

    async def _start(self) -> None:
        await self.durability.commit(self.service.start())
        self.listening = True

    def kill(self) -> None:
        self.ledger.dead = True
        super().kill()

    def attend(self, connection: Connection) -> None:
        task = self.spawn(self._attend(connection))
        connection.on_break = task.cancel

    async def _attend(self, connection: Connection) -> None:
        async def requests() -> Any:
            while (item := await connection.to_server.get()) is not None:
                yield item

        with contextlib.suppress(asyncio.CancelledError):
            async for data in self.attendance.attend(requests(), None):
                if self.alive:
                    connection.send(self.name, data)
        if self.alive:
            connection.send(self.name, grpc.aio.EOF, last=True)

    async def serve(self, rpc: codec.Rpc, data: bytes) -> bytes:
        """One call of the runner."""
        serve = {codec.BEGIN_SLOT: self.calls.begin_slot, codec.END_SLOT: self.calls.end_slot}[rpc]
        return rpc.encode_response(await serve(rpc.decode_request(data)))


class Host:
    """What edge_node.adapters.host.GrpcHost is to a node."""

    def __init__(self, process: Node) -> None:
        self._process = process
        self.calls = SimpleNamespace(metadata=(), certified=False, aio_channel=self._peer_channel)
        self.address = f"{process.name}:1"
        self._client = PeerClient(self.calls)
        self.beats = Beats()

    def channel(self, address: str) -> Any:
        return SimpleNamespace(stream_stream=lambda path: lambda metadata=(): self._process.dial())

    async def release(self, address: str, channel: Any, is_silent: bool) -> None:
        pass

    async def pause(self, address: str, most_s: float) -> None:
        await asyncio.sleep(most_s)

    async def deliver(self, address: str, parcel: Parcel, timeout_s: float) -> Receipt:
        return await self._client.deliver(address, parcel, timeout_s)

    def _peer_channel(self, address: str, executor: str, options: Any) -> Any:
        async def call(data: bytes, timeout: float, metadata: Any) -> bytes:
            return await self._process.world.deliver(self._process, address.partition(":")[0], data, timeout)

        return SimpleNamespace(unary_unary=lambda path: call)


class Node(Process):
    """A node's process from its start to its death."""

    def __init__(self, world: World, name: str, disk: Disk, boot: int) -> None:
        super().__init__(world, name)
        self.boot = boot
        self.outbox = open_outbox(
            disk, lambda m: world.truth.kept(self, m), lambda m: world.truth.dropped(self, m)
        )
        self.node = build_node(node_config(world.node_ids, world.node_ids.index(name)), self.outbox)
        self.lease = Lease(name)
        self.attendance = NodeAttendance(self.node, Host(self), "coordinator", f"{name}-{boot}", self.lease)
        self.spawn(self.attendance.attend())

    def dial(self) -> ClientCall:
        connection = Connection(self.world.network, self.name, "coordinator")
        self.world.dialled(connection)
        return ClientCall(connection)

    def receive(self, data: bytes) -> bytes:
        receipt = self.node.on_parcel(codec.DELIVER.decode_request(data))
        return codec.DELIVER.encode_response(receipt)

    async def work(self, slot: int) -> None:
        """The slot's work, as the Flower client asks for it (edge_node.adapters.coordinator_client.GrpcLink)."""
        loop = self.world.loop
        deadline = loop.time() + PATIENCE_S
        await self._until(lambda: self.node.readiness(slot).decided, slot, deadline)
        await self._until(lambda: self.node.readiness(slot).ready, slot, (loop.time() + deadline) / 2)
        self.node.give_up_missing(slot)
        await self._until(lambda: self.node.readiness(slot).ready, slot, deadline)
        if self.lease.failure or self.lease.fenced or not self.node.readiness(slot).ready:
            return
        await asyncio.sleep(self.world.draw.uniform(0.1, 0.8))
        if not self.lease.fenced and self.node.readiness(slot).ready:
            with contextlib.suppress(NodeError):
                self.node.execute({})
                self.world.truth.executed(self, slot)

    async def _until(self, condition: Callable[[], bool], slot: int, deadline: float) -> None:
        while not (condition() and not self.lease.fenced):
            if self.lease.ended or self.node.readiness(slot).over or self.world.loop.time() >= deadline:
                return
            await asyncio.sleep(0.2)


class Runner(Process):
    """Begins and ends one slot after the other. It outlives all faults; its calls do not."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "runner")
        self.ended_at: list[float] = []
        self.spawn(self._run())

    async def _run(self) -> None:
        config = coordinator_config(self.world.node_ids)
        for slot, stage in enumerate(config.stages):
            if self.world.draw.random() < LATE_SHARE:
                await asyncio.sleep(self.world.draw.uniform(4.0, 12.0))
            plan: SlotPlan = await self._call(codec.BEGIN_SLOT, BeginSlot(slot, stage, 2.0))
            for decision in plan.decisions:
                if decision.awake:
                    self.spawn(self._ask(decision.node_id, slot))
            await asyncio.sleep(self.world.draw.uniform(1.0, 8.0))
            await self._call(codec.END_SLOT, EndSlot(slot, 2.0, 10, 1))
            self.ended_at.append(self.world.loop.time())

    async def _ask(self, name: str, slot: int) -> None:
        at = self.world.network.arrival("runner", name)
        if at is not None:
            await asyncio.sleep(at - self.world.loop.time())
            process = self.world.nodes.get(name)
            if process is not None:
                process.spawn(process.work(slot))

    async def _call(self, rpc: codec.Rpc, request: Any) -> Any:
        """Repeated while no answer comes, as coordinator.adapters.control_client does."""
        data, attempt = rpc.encode_request(request), 0
        while True:
            try:
                return rpc.decode_response(await self.world.runner_call(rpc, data))
            except AioRpcError:
                pass
            except RequestError as refused:
                if refused.code != "no_nodes":
                    self.world.violated("call refused", f"{rpc.method}: {refused.code}: {refused}")
                    await asyncio.sleep(1e6)
                await asyncio.sleep(0.5)
            await asyncio.sleep(max(0.01, min(5.0, 0.1 * 2**attempt) * self.world.draw.random()))
            attempt += 1
