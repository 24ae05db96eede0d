"""One process that hosts several edge nodes and runs their Flower ClientApp, one message after another.

Nodes of one process run on one thread each after the other: with one torch thread per process that is the
fastest arrangement on a small machine, and weights stay in cache. What a message did is remembered, so that
the same round asked again of the same node is answered and not executed twice.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pkgutil import resolve_name
from typing import Protocol

from flwr.app import Context, Message, RecordDict

from carbon_data.own_code import VARIABLE, place_of
from edge_node.adapters.flower_private import adopt_id, bind_identity, error_reply
from edge_node.config import NodeConfig, NodeMemory
from edge_node.tasks.memory import KEEP_BYTES, TOP_PAD_BYTES
from protos.flower_names import CLIENT_APP_RAISED

log = logging.getLogger(__name__)


class Hosted(Protocol):
    """Nodes of a run that live in this process."""

    @property
    def client_app(self) -> Callable[[Message, Context], Message]:
        """Finds the node by ``context.node_config["node-id"]``."""
        ...

    @property
    def infer_address(self) -> str:
        """host:port where outside clients ask these nodes; empty without an outside port."""
        ...

    @property
    def peer_address(self) -> str:
        """host:port where other nodes deliver to these; empty without a port."""
        ...

    def memories(self) -> dict[str, NodeMemory]:
        """What another start of each node needs to go on from here, by node id."""
        ...

    def close(self) -> None:
        """Close streams and servers of these nodes."""
        ...


Builder = Callable[[Sequence[NodeConfig]], Hosted]


def load_builder(reference: str) -> Builder:
    """Import ``package.module:function``.

    Raises:
        ValueError: there is no such function.
    """
    try:
        builder: Builder = resolve_name(reference)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f'builder is {reference!r}; expected "package.module:function" ({error})') from error
    return builder


class NodeHost:
    """Edge nodes of one process.

    Args:
        configs: The nodes.
        numbers: Flower number of every node of the fleet, by node id.
        run_number: Flower's number of the run.
        builder: See ``Builder``.
    """

    def __init__(
        self, configs: Sequence[NodeConfig], numbers: Mapping[str, int], run_number: int, builder: Builder
    ):
        bind_identity(run_number)
        self._contexts = {
            numbers[config.node_id]: Context(
                run_id=run_number,
                node_id=numbers[config.node_id],
                node_config={"node-id": config.node_id, "partition-id": config.index, **_partitions(config)},
                state=RecordDict(),
                run_config={} if config.app is None else dict(config.app.run_config),
            )
            for config in configs
        }
        self._own_app = configs[0].app is not None
        self._answered: dict[int, tuple[tuple[str, str], Message]] = {}
        self._one_at_a_time = threading.Lock()
        self.hosted = builder(configs)

    def handle(self, message: Message) -> Message:
        """Run the ClientApp on a message; an exception becomes an error reply."""
        number = message.metadata.dst_node_id
        # An app may ask the same node several times in a round: of its messages only the same one is a repeat.
        group = message.metadata.message_id if self._own_app else message.metadata.group_id
        key = (message.metadata.message_type, group)
        with self._one_at_a_time:
            before = self._answered.get(number)
            if before is not None and key[1] and before[0] == key:
                adopt_id(before[1], message.metadata.message_id)
                return before[1]
            context = self._contexts[number]
            try:
                reply = self.hosted.client_app(message, context)
            except Exception as error:  # the boundary to arbitrary client code
                node_id = context.node_config["node-id"]
                # The reply is one line; the author of that code needs the place.
                log.info("%s: %s failed", node_id, message.metadata.message_type, exc_info=True)
                reply = error_reply(
                    message,
                    CLIENT_APP_RAISED,
                    f"{node_id}: {type(error).__name__}: {error} (at {place_of(error)})",
                )
            self._answered[number] = (key, reply)
            return reply

    def memories(self) -> dict[str, NodeMemory]:
        """As ``Hosted``."""
        return self.hosted.memories()

    def close(self) -> None:
        self.hosted.close()


def _partitions(config: NodeConfig) -> dict[str, int]:
    """What Flower's simulation tells an app beside its own partition."""
    return {} if config.app is None else {"num-partitions": config.app.partitions}


def process_environment() -> dict[str, str]:
    """Environment of every process that hosts nodes: no telemetry calls, one thread each, memory kept."""
    return {
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        # Large tensors come and go with every batch: keep their memory instead of giving it back each time
        # (2.2 times on an LSTM, nothing lost elsewhere).
        "MALLOC_MMAP_THRESHOLD_": str(KEEP_BYTES),
        "MALLOC_TRIM_THRESHOLD_": str(KEEP_BYTES),
        "MALLOC_TOP_PAD_": str(TOP_PAD_BYTES),
        **{k: v for k in ("DETABED_DATA_DIR", VARIABLE) if (v := os.environ.get(k)) is not None},
    }
