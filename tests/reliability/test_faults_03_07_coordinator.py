"""Faults 3 and 7 on a running coordinator: a flood took the runner's own calls with it; a coordinator that was paused
for longer than its leases decided a slot with nobody, or with one of three."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from grpc import aio

from coordinator.adapters import grpc_server
from coordinator.adapters.control_client import ControlClient
from coordinator.policies.registry import make_policy
from protos import codec
from protos.messages.terms import Stage
from tests.coordinator.adapters.process import NodeThreads, Process

pytestmark = pytest.mark.processes
LEASE_S = 10.0
"""Of one process of the tests, which floods the coordinator too, that stands still for a while."""
IDLE_STREAMS, CONNECTIONS, OVERSIZED = 1000, 300, 300
WAIT_S = 120.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, kit: Any) -> Iterator[tuple[Process, NodeThreads]]:
    folder = tmp_path_factory.mktemp("coordinator")
    process = Process(kit.make_config(folder, nodes=3, slots=12, policy="local", lease_s=LEASE_S), folder)
    process.start()
    nodes = NodeThreads([kit.StubNode(node) for node in process.config.node_ids], process.address)
    with ControlClient(process.address) as control:
        control.wait_for_nodes(3, WAIT_S)
        control.begin_slot(0, Stage.DEVELOPMENT, WAIT_S)
        assert len(control.end_slot(0, WAIT_S).settled_nodes) == 3
    yield process, nodes
    nodes.stop()
    process.kill()


def test_a_paused_coordinator_decides_with_all_that_were_there(running: tuple[Process, NodeThreads]) -> None:
    """Nothing of the nodes waits for it when it goes on, as where a whole machine was suspended: the first that is
    heard again would be all it knows of."""
    process, nodes = running
    assert process.popen is not None
    with ControlClient(process.address) as control, ThreadPoolExecutor(1) as thread:
        slot = control.status().next_slot
        nodes.loop.call_soon_threadsafe(time.sleep, LEASE_S + 2.0)
        os.kill(process.popen.pid, signal.SIGSTOP)
        asked = thread.submit(control.begin_slot, slot, Stage.DEVELOPMENT, WAIT_S)
        time.sleep(LEASE_S + 1.5)
        os.kill(process.popen.pid, signal.SIGCONT)
        assert len(asked.result(WAIT_S).decisions) == 3
        assert len(control.end_slot(slot, WAIT_S).settled_nodes) == 3


class Flood:
    """Idle streams, idle connections and streams with an oversized first message, until ``stop``."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._over = asyncio.Event()
        self.loop = asyncio.new_event_loop()
        self.opened = threading.Event()
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=(self._run(),), daemon=True)
        self.thread.start()

    async def _run(self) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [aio.insecure_channel(self._address, options=options) for _ in range(CONNECTIONS)]
        calls = [
            channels[i % CONNECTIONS].stream_stream(codec.ATTEND.path)()
            for i in range(IDLE_STREAMS + OVERSIZED)
        ]
        for call in calls[IDLE_STREAMS:]:
            await asyncio.gather(call.write(bytes(2 * codec.MAX_STREAM_BYTES)), return_exceptions=True)
        self.opened.set()
        await self._over.wait()
        for call in calls:
            call.cancel()
        await asyncio.gather(*(channel.close() for channel in channels))

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._over.set)
        self.thread.join(WAIT_S)


def test_a_flood_leaves_the_runner_its_calls(running: tuple[Process, NodeThreads]) -> None:
    process, _ = running
    assert process.popen is not None
    memory = psutil.Process(process.popen.pid).memory_info
    before = memory().rss
    flood = Flood(process.address)
    try:
        assert flood.opened.wait(WAIT_S)
        with ControlClient(process.address) as control:
            first = control.status().next_slot
            for slot in (first, first + 1):
                assert len(control.begin_slot(slot, Stage.DEVELOPMENT, WAIT_S).decisions) == 3
                assert len(control.end_slot(slot, WAIT_S).settled_nodes) == 3
    finally:
        flood.stop()
    grown = (memory().rss - before) / 2**20
    print(
        f"{IDLE_STREAMS} idle and {OVERSIZED} oversized streams on {CONNECTIONS} connections: +{grown:.0f} MB"
    )
    assert grown < 200


def test_a_refused_call_is_asked_again(monkeypatch: pytest.MonkeyPatch, kit: Any, tmp_path: Path) -> None:
    """Where all places are taken for a moment, the runner's call waits for one."""
    monkeypatch.setattr(grpc_server, "RESERVED_RPCS", 0)
    monkeypatch.setattr(grpc_server, "SPARE_STREAMS", -1)  # one node: a single call at a time

    async def serve(ask: Any) -> Any:
        config = kit.make_config(tmp_path, nodes=1)
        server = grpc_server.CoordinatorServer(config, make_policy("local"))
        address = f"127.0.0.1:{await server.start()}"
        async with aio.insecure_channel(address) as channel:
            taken = channel.stream_stream(codec.ATTEND.path)()
            await taken.write(b"")
            answer = await asyncio.to_thread(ask, address)
        await server.stop(0.0)
        return answer

    def ask(address: str) -> Any:
        with ControlClient(address) as control:
            return control.status()

    assert asyncio.run(serve(ask)).run_id == "test-run"
