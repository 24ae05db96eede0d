"""A coordinator and nodes on real streams, for these tests."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from coordinator.adapters.control_client import ControlClient
from coordinator.adapters.direct import DirectCoordinator
from coordinator.adapters.grpc_server import CoordinatorServer
from coordinator.config import CoordinatorBody, CoordinatorConfig, LimitsConfig, ZoneIntensity
from coordinator.policies.registry import make_policy
from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.config import HarvestConfig
from edge_node.slots.errors import NoWork
from edge_node.slots.link import Link, LocalLink
from edge_node.slots.node import EdgeNode
from protos.messages.runner import BeginSlot, EndSlot, SlotSummary
from protos.messages.terms import Stage

SLOTS = 3
STAGES = (Stage.PREPARATION, Stage.DEVELOPMENT, Stage.APPLICATION)
ZONES = ("DIRTY", "NO", "NO")
WAIT_S = 60.0
MakeNode = Callable[..., EdgeNode]


def coordinator_config(folder: Path, port: int = 0, **changes: Any) -> CoordinatorConfig:
    values: dict[str, Any] = {
        "run_id": "run",
        "ledger_path": folder / "ledger.sqlite",
        "policy": "deta",
        "slot_s": 10.0,
        "stages": STAGES,
        "node_ids": ("n0", "n1", "n2"),
        "zones": tuple(
            ZoneIntensity(zone=zone, intensity_g_per_kwh=(level,) * 40, origin={"source": "test"})
            for zone, level in (("DIRTY", 900.0), ("NO", 20.0))
        ),
        "limits": LimitsConfig(net_j_per_byte=1e-6, transfer_cap_fraction=0.05),
        "body": CoordinatorBody(
            zone="NO",
            static_w=3.0,
            joules_per_aggregated_parameter=0.0,
            joules_per_evaluated_example=0.0,
            router_w=0.0,
        ),
        "tree_alpha_bits_per_token": 1.0,
        "port": port,
        "heartbeat_s": 0.2,
        "lease_s": 60.0,
    }
    return CoordinatorConfig(**{**values, **changes})


class Serving:
    """The coordinator's gRPC server on an event loop in a thread."""

    def __init__(self, config: CoordinatorConfig) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self._run(self._start(config))

    async def _start(self, config: CoordinatorConfig) -> CoordinatorServer:
        server = CoordinatorServer(config, make_policy(config.policy))
        self.port = await server.start()
        return server

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WAIT_S)

    def stop(self) -> None:
        self._run(self.server.stop(0.1))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@contextlib.contextmanager
def serving(config: CoordinatorConfig) -> Iterator[Serving]:
    running = Serving(config)
    try:
        yield running
    finally:
        running.stop()


def make_nodes(make_node: MakeNode) -> list[EdgeNode]:
    """The node of high intensity has neither panel nor battery, so that moving its work saves emissions."""
    dark = {"harvest": HarvestConfig(power_w=(0.0,) * (SLOTS + 40)), "battery": None}
    return [
        make_node(index, zone=zone, stages=STAGES, **(dark if zone == "DIRTY" else {}))
        for index, zone in enumerate(ZONES)
    ]


def attach(hosts: list[GrpcHost], nodes: list[EdgeNode], address: str) -> list[GrpcLink]:
    links = [GrpcLink(node, hosts[k % len(hosts)], address, f"boot-{k}") for k, node in enumerate(nodes)]
    for link in links:
        link.start()
    for link in links:
        link.wait_registered(WAIT_S)
    return links


def work(link: Link, slot: int, wait_s: float = WAIT_S) -> int:
    link.wait_ready(slot, wait_s)
    try:
        return link.node.execute({"w": np.zeros(4, dtype=np.float32)}).batches
    except NoWork:
        return 0


def run_slot(control: ControlClient, links: list[GrpcLink], slot: int) -> SlotSummary:
    plan = control.begin_slot(slot, STAGES[slot], WAIT_S)
    assert not plan.status.startswith("fallback")
    with ThreadPoolExecutor(len(links)) as pool:
        list(pool.map(lambda link: work(link, slot), links))
    return control.end_slot(slot, WAIT_S)


def run_in_process(make_node: MakeNode, folder: Path) -> list[SlotSummary]:
    links: dict[str, LocalLink] = {}
    coordinator: DirectCoordinator

    def deliver(node_id: str, message: Any) -> None:
        for answer in links[node_id].receive(message):
            coordinator.receive(node_id, answer)

    config = coordinator_config(folder)
    coordinator = DirectCoordinator(config, make_policy(config.policy), deliver, lambda: 0.0)
    for k, node in enumerate(make_nodes(make_node)):
        LocalLink(node, links, f"boot-{k}")
    for node_id, link in links.items():
        coordinator.receive(node_id, link.register())
    summaries = []
    for slot, stage in enumerate(STAGES):
        coordinator.begin_slot(BeginSlot(slot, stage, 1.0))
        for link in links.values():
            work(link, slot)
        summaries.append(coordinator.end_slot(EndSlot(slot, 1.0)))
    coordinator.close()
    return summaries
