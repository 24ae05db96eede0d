"""A small fleet of real nodes on a task that needs no learning framework: linear regression in numpy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
import pytest

from edge_node.adapters.coordinator_client import GrpcLink
from edge_node.adapters.host import GrpcHost
from edge_node.build import build_node
from edge_node.config import (
    BatteryConfig,
    BoardConfig,
    HarvestConfig,
    InferenceConfig,
    NodeConfig,
    TaskConfig,
)
from edge_node.meters.registry import build_meter
from edge_node.slots.node import EdgeNode
from edge_node.slots.outbox import Outbox
from edge_node.workload import Arrays, InferResult, Parameters, Stop, TrainResult, UserBytes, WorkCost
from protos import codec
from protos.messages.slot import Telemetry
from protos.messages.stream import Register, UpMessage, Welcome
from protos.messages.terms import Stage
from tests.edge_node.application_slot import advance, config, decide

FEATURES, BATCH = 4, 5
WAIT_S = 60.0


class LinearWorkload:
    """y = w x, trained by gradient descent; batch k is a function of seed and k alone."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.trained: list[int] = []
        """Batch keys in the order in which they were trained, offloaded ones included."""
        self.before_training: Callable[[], None] = lambda: None
        self.before_batch: Callable[[], None] = lambda: None

    @property
    def num_examples(self) -> int:
        return 10 * BATCH

    @property
    def num_batches(self) -> int:
        return 10

    @property
    def digest(self) -> str:
        return f"{self.seed:064x}"

    def cost(self, stage: str) -> WorkCost:
        users = self.user_bytes(self.batch(0, stage), stage)
        return WorkCost(1e5, BATCH * (FEATURES * 4 + 4 + 8), 0, users.up_bytes, users.down_bytes)

    def batch(self, batch_id: int, stage: str) -> Arrays:
        random = np.random.default_rng((self.seed, batch_id))
        x = random.normal(size=(BATCH, FEATURES)).astype(np.float32)
        key = self.seed * 1_000 + batch_id
        return {"x": x, "y": x.sum(axis=1), "key": np.full(BATCH, key, dtype=np.int64)}

    def user_bytes(self, batch: Arrays, stage: str) -> UserBytes:
        n = len(batch["x"])
        if stage == Stage.APPLICATION:
            return UserBytes(6 * n, 2 * n)
        return UserBytes(20 * n, 0) if stage == Stage.PREPARATION else UserBytes(0, 0)

    def prepare(self, batches: Sequence[Arrays]) -> float:
        return 1e5 * len(batches)

    def train(
        self,
        parameters: Parameters,
        batches: Sequence[Arrays],
        options: Mapping[str, float],
        stop: Stop | None = None,
    ) -> TrainResult:
        self.before_training()
        weights = np.array(parameters["w"])
        losses = []
        for batch in batches:
            if stop is not None and stop():
                break
            self.before_batch()
            self.trained.append(int(batch["key"][0]))
            error = batch["x"] @ weights - batch["y"]
            losses.append(float(np.mean(error**2)))
            weights = weights - np.float32(0.1) * (2 / BATCH) * (batch["x"].T @ error)
        done = len(losses)
        return TrainResult(
            {"w": weights.astype(np.float32)},
            BATCH * done,
            done,
            float(np.mean(losses)),
            1e5 * done,
        )

    def infer(self, parameters: Parameters, batches: Sequence[Arrays]) -> InferResult:
        requests = BATCH * len(batches)
        return InferResult(requests, requests * 64, requests, len(batches), 1e5 * len(batches))


BOARD = BoardConfig(
    name="test",
    static_w=2.0,
    busy_w=6.0,
    sleep_w=0.5,
    wake_j=3.0,
    wake_s=0.25,
    effective_flop_per_s=1e6,
    tx_j_per_byte=1e-5,
    rx_j_per_byte=2e-5,
    storage_bytes=10_000,
)


def node_config(index: int, **changes: Any) -> NodeConfig:
    stages = changes.pop("stages", (Stage.DEVELOPMENT,) * 6)
    values: dict[str, Any] = {
        "run_id": "run",
        "node_id": f"n{index}",
        "index": index,
        "zone": "NO",
        "seed": index,
        "slot_s": 10.0,
        "stages": stages,
        "board": BOARD,
        "battery": BatteryConfig(
            capacity_j=100.0, initial_fraction=0.5, charge_limit_w=5.0, discharge_limit_w=5.0
        ),
        "harvest": HarvestConfig(power_w=(1.0 + index,) * (len(stages) + 8)),
        "task": TaskConfig(
            name="linear",
            batch_size=BATCH,
            batches_per_slot=6,
            learning_rate=0.1,
            partitions=3,
            partition_index=index,
        ),
        "inference": InferenceConfig(batches_per_slot=2),
    }
    return NodeConfig(**{**values, **changes})


MakeNode = Callable[..., EdgeNode]


@pytest.fixture(scope="session")
def make_config() -> Callable[..., NodeConfig]:
    return node_config


@pytest.fixture
def make_node() -> MakeNode:
    """``make_node(index, outbox=None, **changes)``: a node; its workload is ``node.workload``."""

    def make(index: int = 0, outbox: Outbox | None = None, **changes: Any) -> EdgeNode:
        own = {name: changes.pop(name) for name in ("sleeper", "clock_ns") if name in changes}
        config = node_config(index, **changes)
        workload = LinearWorkload(index)
        meter = build_meter(config.meter, config.board, config.slot_s)
        workloads = dict.fromkeys(set(config.stages), workload)
        node = EdgeNode(config, workloads, meter, outbox, **own)
        node.workload = workload  # type: ignore[attr-defined]
        return node

    return make


@pytest.fixture
def model() -> Parameters:
    return {"w": np.zeros(FEATURES, dtype=np.float32)}


class SmallCoordinator:
    """Welcomes every node that registers and keeps what is said."""

    def __init__(self, host: GrpcHost) -> None:
        self._host = host
        self.heard: list[UpMessage] = []
        self.told = threading.Event()
        self._server, port = host.submit(self._start()).result(WAIT_S)
        self.address = f"127.0.0.1:{port}"

    async def _start(self) -> tuple[Any, int]:
        server = grpc.aio.server()
        handler = grpc.stream_stream_rpc_method_handler(self._attend)
        generic = grpc.method_handlers_generic_handler(codec.ATTEND.service, {codec.ATTEND.method: handler})
        server.add_generic_rpc_handlers((generic,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port

    async def _attend(self, requests: Any, context: Any) -> Any:
        async for data in requests:
            message = codec.decode_up(data)
            self.heard.append(message)
            if isinstance(message, Register):
                yield codec.encode_down(Welcome("run", 1, 1.0, 5.0, 0))
            if isinstance(message, Telemetry):
                self.told.set()

    def stop(self) -> None:
        self._host.submit(self._server.stop(0)).result(WAIT_S)


@pytest.fixture
def host() -> Iterator[GrpcHost]:
    with GrpcHost() as made:
        yield made


@pytest.fixture
def small_coordinator(host: GrpcHost) -> Iterator[SmallCoordinator]:
    made = SmallCoordinator(host)
    yield made
    made.stop()


MakeConfig = Callable[..., NodeConfig]


@pytest.fixture
def node(host: GrpcHost, make_config: MakeConfig) -> EdgeNode:
    """In its application slot, with a model."""
    made = build_node(config(make_config))
    GrpcLink(made, host, "127.0.0.1:1")
    advance(made, 0)
    decide(made, 1)
    return made
