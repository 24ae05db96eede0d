"""Interface of a fleet: nodes of a run behind one Flower grid, in processes that outlive the
run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from coordinator.config import CoordinatorConfig
from edge_node.config import NodeConfig, NodeMemory

from .ahead import Ahead
from .grid import NodeGrid
from .machine import cpu_count
from .run_access import RunAccess, run_access

DEFAULT_BUILDER = "experiments.fleet.nodes:host_edge_nodes"
"""``package.module:function`` that turns node configurations into hosted nodes, see node_host.Builder."""

MEMORIES_S = 30.0
"""Longest wait for what a node remembers after a slot (choice: what it keeps to itself may be as large as a model, and
its board slow)."""
AT_WORK_S = 2.0
"""Likewise for a node that did not answer by a deadline, and may be at work still."""

OfRun = TypeVar("OfRun", bound=NodeGrid)
"""Grid of a run, by kind of fleet."""


class FleetStartError(RuntimeError):
    """The processes of a fleet could not be started."""


class Managed:
    """Started where its ``with`` begins, stopped where it ends."""

    def start(self) -> object:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def access(self, folder: Path, config: CoordinatorConfig) -> AbstractContextManager[RunAccess]:
        """See Fleet."""
        return run_access(folder, config.host, config.node_ids, insecure=config.access.insecure)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class HostsRuns(Managed, Generic[OfRun]):
    """Has the grid of one run at a time, from ``reset`` on."""

    def __init__(self) -> None:
        self._grid: OfRun | None = None
        self._numbers: dict[str, int] = {}

    @property
    def grid(self) -> OfRun:
        """See Fleet. Raises RuntimeError before the first ``reset``."""
        if self._grid is None:
            raise RuntimeError("the fleet hosts no run yet: call reset(configs) first")
        return self._grid

    @property
    def numbers(self) -> dict[str, int]:
        """See Fleet."""
        return dict(self._numbers)


class Fleet(Protocol):
    """Processes that host edge nodes. ``start`` once, ``reset`` for each run, ``stop`` at the end."""

    @property
    def coordinators(self) -> Ahead | None:
        """Forks a coordinator for each run; ``stop`` ends it. None where coordinators have no process of their
        own."""
        ...

    @property
    def lost_nodes_return(self) -> bool:
        """Whether nodes that were lost come back, by themselves or by ``repair``."""
        ...

    def start(self) -> None:
        """Start the processes and have them import what nodes need."""
        ...

    def access(self, folder: Path, config: CoordinatorConfig) -> AbstractContextManager[RunAccess]:
        """What the parties of a run in ``folder`` show each other, while it lasts."""
        ...

    def reset(
        self, configs: Sequence[NodeConfig], *, builder: str = DEFAULT_BUILDER, logs: Path | None = None
    ) -> NodeGrid:
        """Host the nodes of a new run in the same warm processes; the nodes of the run before are closed
        first. ``logs``: folder in which processes of their own on this machine keep what their nodes log.
        """
        ...

    @property
    def grid(self) -> NodeGrid:
        """Grid of the current run."""
        ...

    @property
    def numbers(self) -> Mapping[str, int]:
        """Flower node number by node id."""
        ...

    def pids(self) -> dict[str, int]:
        """Process that hosts each node, by node id; nodes of a dead process are left out."""
        ...

    def infer_addresses(self) -> dict[str, str]:
        """host:port where outside clients ask each node, by node id; nodes without an outside port are omitted."""
        ...

    def check_listeners(self, ours: Iterable[str]) -> None:
        """Raise IsolationError where a process of this machine listens beyond loopback, but for the ports of ``ours``
        (host:port) and those of the nodes where the run's host is beyond loopback itself."""
        ...

    def repair(self) -> None:
        """After each slot: begin to replace processes that were lost, where the fleet does so. Returns at once."""
        ...

    def memories(self) -> dict[str, NodeMemory]:
        """What another start of each node needs to go on from here, by node id. Lost nodes are omitted, those that do
        not answer within MEMORIES_S, and those that are at work past a deadline and do not answer within AT_WORK_S."""
        ...

    def release(self) -> None:
        """Close the nodes of the current run; the processes stay warm."""
        ...

    def stop(self) -> None:
        """End all processes. May be called twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def numbers_of(configs: Sequence[NodeConfig]) -> dict[str, int]:
    """Flower node numbers: 2 and up, for 1 is the server.

    Raises:
        ValueError: two nodes share an id.
    """
    numbers = {config.node_id: position + 2 for position, config in enumerate(configs)}
    if len(numbers) != len(configs):
        raise ValueError(f"node ids must differ, got {[config.node_id for config in configs]}")
    return numbers


def process_count(processes: str | int, nodes: int, cpus: int | None = None) -> int:
    """How many processes host ``nodes`` nodes.

    Args:
        processes: ``"per-node"``, ``"auto"`` (as many as cores, at most one per node) or a number.

    Raises:
        ValueError: anything else.
    """
    if processes == "per-node":
        return nodes
    if processes == "auto":
        return max(1, min(nodes, cpus or cpu_count()))
    if isinstance(processes, int) and not isinstance(processes, bool) and processes >= 1:
        return min(processes, nodes)
    raise ValueError(
        f'processes is {processes!r}; allowed are "per-node", "auto" or a whole number from 1 on'
    )


def deal(configs: Sequence[NodeConfig], processes: int) -> list[list[NodeConfig]]:
    """Assign nodes to processes in turn, so that neighbours in the list (often equal) do not share one."""
    return [list(configs[start::processes]) for start in range(processes)]


def run_number(run_id: str) -> int:
    """Flower's number of a run, the same in every process: from the run's id."""
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:7], "big") + 1
