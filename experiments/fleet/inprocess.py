"""All nodes in this process, one message after another: for tests, teaching and large sweeps.

Messages are copied both ways, as a wire would: ClientApps change the records they get, and by reference that
once broke secure aggregation.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flwr.app import Message

from edge_node.adapters.flower_private import copy_message, error_reply
from edge_node.adapters.node_host import NodeHost, load_builder
from edge_node.config import NodeConfig, NodeMemory
from protos.flower_names import NODE_UNAVAILABLE

from .base import DEFAULT_BUILDER, HostsRuns, numbers_of, run_number
from .grid import NodeGrid


class InProcessGrid(NodeGrid):
    """Messages to nodes of this process; a message is done when ``push_messages`` returns.

    Args:
        run_id: Flower's number of the run.
        names: Node id by Flower number.
        host: The nodes.
        clock: Virtual or real seconds.
    """

    def __init__(
        self,
        run_id: int,
        names: Mapping[int, str],
        host: NodeHost,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(run_id, names, clock)
        self._host = host
        self._lost: set[int] = set()
        self._ready: dict[str, Message] = {}

    def lose(self, number: int) -> None:
        """From now on behave as if the node's process were dead."""
        self._lost.add(number)

    def lost_nodes(self) -> set[int]:
        return set(self._lost)

    def _dispatch(self, messages: list[Message]) -> None:
        for message in messages:
            number = message.metadata.dst_node_id
            if number in self._lost:
                reply = error_reply(message, NODE_UNAVAILABLE, f"{self.names[number]}: it is lost")
            else:
                reply = copy_message(self._host.handle(copy_message(message)))
            self._ready[message.metadata.message_id] = reply

    def _collect(self, message_ids: set[str], wait_s: float | None) -> list[Message]:
        # In the order of execution: runs must repeat, and sets have no order.
        return [self._ready.pop(i) for i in [i for i in self._ready if i in message_ids]]


class InProcessFleet(HostsRuns[InProcessGrid]):
    """A fleet without processes of its own.

    Args:
        clock: Virtual or real seconds, for deadlines.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._host: NodeHost | None = None

    @property
    def lost_nodes_return(self) -> bool:
        return False

    @property
    def coordinators(self) -> None:
        return None

    def start(self) -> None:
        """Nothing to start: nodes come with ``reset``."""

    def reset(
        self, configs: Sequence[NodeConfig], *, builder: str = DEFAULT_BUILDER, logs: Path | None = None
    ) -> InProcessGrid:
        self.release()
        self._numbers = numbers_of(configs)
        number = run_number(configs[0].run_id)
        self._host = NodeHost(configs, self._numbers, number, load_builder(builder))
        names = {n: node_id for node_id, n in self._numbers.items()}
        self._grid = InProcessGrid(number, names, self._host, self._clock)
        return self._grid

    @property
    def hosted(self) -> Any:
        """The nodes from the builder."""
        if self._host is None:
            raise RuntimeError("the fleet hosts no run: call reset(configs) first")
        return self._host.hosted

    def pids(self) -> dict[str, int]:
        lost = self.grid.lost_nodes()
        return {node_id: os.getpid() for node_id, n in self._numbers.items() if n not in lost}

    def infer_addresses(self) -> dict[str, str]:
        """Empty: nodes that share the runner's thread have no outside port."""
        return {}

    def check_listeners(self, ours: Iterable[str]) -> None:
        """Nothing listens."""

    def repair(self) -> None:
        """Nothing is replaced."""

    def memories(self) -> dict[str, NodeMemory]:
        if self._host is None:
            raise RuntimeError("the fleet hosts no run: call reset(configs) first")
        found, lost = self._host.memories(), self.grid.lost_nodes()
        return {node_id: memory for node_id, memory in found.items() if self._numbers[node_id] not in lost}

    def release(self) -> None:
        if self._host is not None:
            self._host.close()
            self._host = None

    def stop(self) -> None:
        self.release()
