"""Small nodes with an echo ClientApp, for tests of the fleet's message transport."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator

import pytest

from edge_node.config import BoardConfig, HarvestConfig, NodeConfig, TaskConfig
from protos.messages.terms import Stage

ECHO = '''
import os
import time

from flwr.app import Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from edge_node.config import NodeMemory


class Echo:
    """Answers with what it got, how often it ran, and where; fails, sleeps or meddles when told to."""

    infer_address = peer_address = ""

    def __init__(self, configs):
        self.client_app = ClientApp()
        self.runs = {config.node_id: 0 for config in configs}

        @self.client_app.train()
        def train(message, context):
            node_id = context.node_config["node-id"]
            config = message.content["config"]
            self.runs[node_id] += 1
            if config.get("fail", "") == node_id:
                raise RuntimeError("told to fail")
            if config.get("slow", "") == node_id:
                time.sleep(float(config.get("sleep-s", 0.0)))
                while "gate" in config and not os.path.exists(config["gate"]):
                    time.sleep(0.01)
            arrays = message.content["arrays"]
            metrics = {"num-examples": 10, "loss": 1.0, "runs": self.runs[node_id], "pid": os.getpid()}
            reply = Message(
                RecordDict({"arrays": arrays, "metrics": MetricRecord(metrics)}), reply_to=message
            )
            if config.get("meddle", "") == node_id:
                del message.content["config"]
            return reply

    def memories(self):
        return {node_id: NodeMemory(slot=0) for node_id in self.runs}

    def close(self):
        pass


def build(configs):
    return Echo(configs)
'''


@pytest.fixture(scope="session")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Reference of a builder of echo nodes that child processes can import too."""
    folder = tmp_path_factory.mktemp("echo")
    (folder / "echo_nodes.py").write_text(textwrap.dedent(ECHO))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=":")
        patch.syspath_prepend(str(folder))
        yield "echo_nodes:build"


@pytest.fixture(scope="session")
def node_configs() -> Callable[..., list[NodeConfig]]:
    def make(count: int, run_id: str = "run") -> list[NodeConfig]:
        board = BoardConfig(
            name="test",
            static_w=2.0,
            busy_w=5.0,
            sleep_w=0.1,
            wake_j=1.0,
            wake_s=0.5,
            effective_flop_per_s=1e9,
            tx_j_per_byte=1e-7,
            rx_j_per_byte=1e-7,
            storage_bytes=10**7,
        )
        return [
            NodeConfig(
                run_id=run_id,
                node_id=f"n{index}",
                index=index,
                zone="Z",
                seed=index,
                slot_s=60.0,
                stages=(Stage.DEVELOPMENT,),
                board=board,
                harvest=HarvestConfig(power_w=(1.0, 1.0)),
                task=TaskConfig(
                    name="digits-mlp",
                    batch_size=10,
                    batches_per_slot=2,
                    learning_rate=0.1,
                    partitions=count,
                    partition_index=index,
                ),
            )
            for index in range(count)
        ]

    return make
