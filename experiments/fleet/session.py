"""One run on a fleet: its coordinator, its nodes and the way to both, opened and closed together.

Over Ray the coordinator is a process of its own under a supervisor, and the nodes attend it over gRPC. In
process it is called directly, on a clock that stands still while it works: no thread, no socket, the same
every time.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carbon_data.files.whole import whole_file
from coordinator.adapters.control_client import (
    ControlClient,
    CoordinatorRefusedError,
    CoordinatorUnreachableError,
)
from coordinator.adapters.direct import DirectCoordinator
from coordinator.adapters.flower_slots import SlotControl
from coordinator.config import CoordinatorConfig
from coordinator.policies.registry import make_policy
from coordinator.process import cycles_seldom_searched
from edge_node.config import NodeConfig, NodeMemory
from edge_node.slots.link import LocalLink
from experiments.run_folder.files import ADDRESSES, COORDINATOR_LOG, PROCESSES
from protos.messages.runner import BeginSlot, EndSlot, SlotPlan, SlotSummary
from protos.messages.stream import DownMessage
from protos.messages.terms import Stage

from .base import Fleet, FleetStartError
from .grid import NodeGrid
from .inprocess import InProcessFleet
from .supervisor import START_TIMEOUT_S, Restart, Supervisor

logger = logging.getLogger(__name__)

NodesOf = Callable[[str], Sequence[NodeConfig]]
"""Node configurations for a coordinator's address; the address is empty where none is needed."""

NOBODY_S = 0.0
"""Wall seconds to wait for the nodes of a slot whose processes are all gone."""
PATIENCE_S = START_TIMEOUT_S + 30.0
"""Wall seconds for which a coordinator may be gone: as long as its supervisor lets it take to come back, and more. One
that will not come back is not waited for."""
REGISTER_S = 180.0
"""Wall seconds in which all nodes must have registered (choice: as long as Ray may take to start; nodes with a language
model took over 60 on two busy cores)."""


AWAY_S = 600.0
"""Wall seconds for which all nodes may be away, where lost nodes come back."""
ASK_AGAIN_S = 0.5


class PatientControl:
    """The coordinator's calls where all nodes may be away for a while: a slot is asked for until one is back.

    Args:
        control: Waits for nodes as long as it is told, and is refused where none has come.
        look: Called between two attempts; raises what ends the run.
    """

    def __init__(
        self,
        control: SlotControl,
        look: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._control, self._look, self._clock, self._sleep = control, look, clock, sleep

    def begin_slot(self, slot: int, stage: Stage, wait_s: float) -> SlotPlan:
        """As SlotControl. Raises CoordinatorRefusedError where no node is back within AWAY_S."""
        end = self._clock() + AWAY_S
        while True:
            try:
                return self._control.begin_slot(slot, stage, wait_s)
            except CoordinatorRefusedError as refused:
                if refused.code != "no_nodes" or self._clock() >= end:
                    raise
                logger.warning("no node is there; slot %d waits for one to come back", slot)
            self._look()
            self._sleep(ASK_AGAIN_S)

    def end_slot(
        self, slot: int, wait_s: float, aggregated_parameters: int = 0, evaluated_examples: int = 0
    ) -> SlotSummary:
        return self._control.end_slot(slot, wait_s, aggregated_parameters, evaluated_examples)


@dataclass
class Session:
    """An open run, as the runner uses it."""

    control: SlotControl
    grid: NodeGrid
    numbers: dict[str, int]
    processes: dict[str, int]
    """Process by node id, and that of the ``coordinator``, when the session was opened."""
    infer_addresses: dict[str, str] = field(default_factory=dict)
    """host:port where outside clients ask each node, by node id; empty without outside ports."""
    books: Executor | None = None
    """Thread for closing slots while models are averaged; None where coordinator and runner share a thread."""
    restarts: list[Restart] = field(default_factory=list)
    """Number of restarts of the coordinator."""
    memories: Callable[[], dict[str, NodeMemory]] = dict
    """What another start of each node needs to go on from here."""
    check: Callable[[], None] = lambda: None
    """After each slot. Raises the error that keeps the coordinator from running, if there is one."""


def open_session(
    fleet: Fleet, config: CoordinatorConfig, folder: Path, nodes_of: NodesOf, open_slot: int | None = None
) -> contextlib.AbstractContextManager[Session]:
    """A run on a started fleet; ``folder`` takes the coordinator's configuration and log, and
    ``processes.json``, and while it lasts ``addresses.json``.

    ``open_slot``: one that the run was broken off in. It is ended before the nodes come: none of them knows of it.

    Raises:
        FleetStartError: a process is dead, or nodes do not register.
        IsolationError: something listens beyond loopback that should not.
        supervisor.CoordinatorError: the coordinator does not start.
    """
    if isinstance(fleet, InProcessFleet):
        return _open_direct(fleet, config, folder, nodes_of, open_slot)
    return _open_supervised(fleet, config, folder, nodes_of, open_slot)


@contextlib.contextmanager
def _open_supervised(
    fleet: Fleet, config: CoordinatorConfig, folder: Path, nodes_of: NodesOf, open_slot: int | None
) -> Iterator[Session]:
    def address() -> str:
        supervisor.check()  # one that will not come back is not waited for
        return supervisor.address

    def check() -> None:
        supervisor.check()
        fleet.repair()

    with (
        fleet.access(folder, config) as access,
        Supervisor(
            config.model_copy(update={"access": access.coordinator}), folder, ahead=fleet.coordinators
        ) as supervisor,
        ControlClient(
            address,
            PATIENCE_S,
            access=access.runner,
            slot_s=config.slot_s if config.overrun is not None else 0.0,
        ) as control,
        ThreadPoolExecutor(1, thread_name_prefix="books") as books,
    ):
        if open_slot is not None:
            control.end_slot(open_slot, NOBODY_S)
        configs = [node.model_copy(update={"access": access.nodes}) for node in nodes_of(supervisor.address)]
        grid = fleet.reset(configs, logs=folder)
        try:
            try:
                control.wait_for_nodes(len(configs), REGISTER_S)
            except CoordinatorUnreachableError as error:
                raise FleetStartError(f"{error} (and see {folder / COORDINATOR_LOG})") from error
            fleet.check_listeners([supervisor.address])
            processes = {**fleet.pids(), "coordinator": supervisor.pid}
            _write(folder / PROCESSES, processes)
            addresses = fleet.infer_addresses()
            _write(folder / ADDRESSES, addresses)
            yield Session(
                PatientControl(control, check) if fleet.lost_nodes_return else control,
                grid,
                dict(fleet.numbers),
                processes,
                addresses,
                books,
                supervisor.restarts,
                fleet.memories,
                check,
            )
        finally:
            (folder / ADDRESSES).unlink(missing_ok=True)
            # Nodes leave before their coordinator does, so that no stream breaks at the end.
            fleet.release()


class DirectControl:
    """The coordinator's calls as a runner makes them, on a coordinator in the same process."""

    def __init__(self, coordinator: DirectCoordinator) -> None:
        self._coordinator = coordinator

    def begin_slot(self, slot: int, stage: Stage, wait_s: float) -> SlotPlan:
        return self._coordinator.begin_slot(BeginSlot(slot, stage, wait_s))

    def end_slot(
        self, slot: int, wait_s: float, aggregated_parameters: int = 0, evaluated_examples: int = 0
    ) -> SlotSummary:
        return self._coordinator.end_slot(EndSlot(slot, wait_s, aggregated_parameters, evaluated_examples))


@contextlib.contextmanager
def _open_direct(
    fleet: InProcessFleet, config: CoordinatorConfig, folder: Path, nodes_of: NodesOf, open_slot: int | None
) -> Iterator[Session]:
    grid = fleet.reset(nodes_of(""), builder="experiments.fleet.nodes:host_local_nodes")
    links: dict[str, LocalLink] = fleet.hosted.links
    numbers = fleet.numbers

    def deliver(node_id: str, message: DownMessage) -> None:
        if numbers[node_id] in grid.lost_nodes() or node_id not in coordinator.sessions:
            return  # its process is dead, or has not registered: there is no receiver
        for answer in links[node_id].receive(message):
            coordinator.receive(node_id, answer)

    policy = make_policy(config.policy, **config.policy_options)
    # The clock stands still: leases never end, and a node is lost only when the grid says so.
    coordinator = DirectCoordinator(config, policy, deliver, clock=lambda: 0.0)
    control = DirectControl(coordinator)
    try:
        if open_slot is not None:
            control.end_slot(open_slot, NOBODY_S)
        for node_id, link in links.items():
            coordinator.receive(node_id, link.register())
        processes = {**fleet.pids(), "coordinator": os.getpid()}
        _write(folder / PROCESSES, processes)
        with cycles_seldom_searched():  # the nodes stay: a search through a thousand of them finds nothing
            yield Session(control, grid, numbers, processes, memories=fleet.memories)
    finally:
        fleet.release()
        coordinator.close()


def _write(path: Path, what: dict[str, Any]) -> None:
    """Addresses and processes of the parts of the run, for inspection and tests. Written as a whole or not at all."""
    with whole_file(path) as draft:
        draft.write_text(json.dumps(what, indent=1) + "\n", encoding="utf-8")
