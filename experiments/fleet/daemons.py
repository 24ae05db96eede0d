"""Edge nodes in daemons on boards, which dial the port of this process and wait for runs there."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from coordinator.config import CoordinatorConfig
from edge_node.adapters.flower_private import bundle_of
from edge_node.assignment import Assignment
from edge_node.config import NodeConfig, NodeMemory
from experiments.cluster.cluster import Cluster
from experiments.cluster.inventory import read_inventory
from experiments.errors import UsageError
from protos.access.config import is_loopback
from protos.messages.boards import MEMORY

from .ahead import Ahead
from .base import (
    AT_WORK_S,
    DEFAULT_BUILDER,
    MEMORIES_S,
    FleetStartError,
    HostsRuns,
    numbers_of,
    run_number,
)
from .board_port import BoardPort
from .daemon_grid import DaemonGrid
from .isolation import require_loopback
from .run_access import RunAccess, cluster_access

RELEASE_S = 10.0


class DaemonFleet(HostsRuns[DaemonGrid]):
    """A daemon for each node, on a board of its own.

    Args:
        node_ids: Boards of the scenario, by the names of the inventory.
        inventory: ``boards.toml``, whose authority certified them.
        host: Where boards reach this machine.
        port: Which they dial.
        lost_after_s: A board that is silent for longer is lost until it is back.
        appear_s: Longest time in which boards may dial in before a run.
        host_timeout_s: Longest time in which boards may build their nodes.
    """

    def __init__(
        self,
        node_ids: Sequence[str],
        inventory: Path,
        *,
        host: str,
        port: int,
        lost_after_s: float,
        appear_s: float = 30.0,
        host_timeout_s: float = 180.0,
        coordinators: Ahead | None = None,
    ) -> None:
        super().__init__()
        self._node_ids, self._inventory = tuple(node_ids), inventory
        self._host, self._at = host, port
        self._lost_after_s, self._appear_s, self._host_timeout_s = lost_after_s, appear_s, host_timeout_s
        self._coordinators = coordinators or Ahead()
        self._cluster: Cluster | None = None
        self._port: BoardPort | None = None
        self._session = ""

    @property
    def lost_nodes_return(self) -> bool:
        return True

    @property
    def coordinators(self) -> Ahead:
        return self._coordinators

    def start(self) -> None:
        """Wait until every board is there. Raises UsageError that names those that are not, and nothing was started."""
        self._cluster = Cluster.open(self._inventory)
        inventory = read_inventory(self._inventory)
        for node_id in self._node_ids:
            inventory.board(node_id)
        self._port = BoardPort(self._cluster.coordinator, self._host, self._at, self._node_ids)
        try:
            try:
                self._port.start()
            except OSError as error:
                raise UsageError(f"boards cannot dial in: {error}; choose another fleet.port") from error
            self._coordinators.prepare()
            self._require_boards(self._port)
        except BaseException:
            self.stop()
            raise

    def _require_boards(self, port: BoardPort) -> None:
        end = time.monotonic() + self._appear_s
        with port.changed:
            while missing := [n for n in self._node_ids if port.boards[n].turns is None]:
                if refused := [why for n in missing if (why := port.boards[n].refused)]:
                    raise UsageError(
                        f"{'; '.join(refused)}: install the same versions on board and coordinator, and start the "
                        "board's daemon again"
                    )
                if (left := end - time.monotonic()) <= 0:
                    there = ", ".join(n for n in self._node_ids if n not in missing) or "none"
                    raise UsageError(
                        f"{', '.join(missing)} did not dial {port.address} in {self._appear_s:g} s (there: {there}; "
                        "fleet.appear_s waits longer); detabed cluster up starts their daemons, detabed cluster check "
                        "says what is wrong; each dials the address of its board.json, with a certificate of this "
                        "inventory"
                    )
                port.changed.wait(left)

    def access(self, folder: Path, config: CoordinatorConfig) -> AbstractContextManager[RunAccess]:
        """The cluster's certificates instead of ones of the run: boards have theirs already."""
        assert self._cluster is not None
        return cluster_access(folder, self._cluster)

    def reset(
        self, configs: Sequence[NodeConfig], *, builder: str = DEFAULT_BUILDER, logs: Path | None = None
    ) -> DaemonGrid:
        """See Fleet. Boards build their nodes themselves, and keep their own logs.

        Raises FleetStartError: a board is away, or could not build its node (its data lack, its meter cannot run).
        """
        port = self._started
        self.release()
        self._numbers = numbers_of(configs)
        number, session = run_number(configs[0].run_id), secrets.token_hex(16)
        bundle = _bundle(configs[0])
        letters = {
            config.node_id: Assignment(
                session=session,
                run_number=number,
                node_number=self._numbers[config.node_id],
                config=config,
                app=bundle,
            ).to_letter()
            for config in configs
        }
        self._session = session
        port.assign = lambda node_id: (session, letters[node_id]) if node_id in letters else None
        port.call_all()
        self._await_hosting(port, list(letters), session)
        names = {found: node_id for node_id, found in self._numbers.items()}
        self._grid = DaemonGrid(number, names, port, session, self._lost_after_s)
        return self._grid

    def _await_hosting(self, port: BoardPort, node_ids: Sequence[str], session: str) -> None:
        end = time.monotonic() + self._host_timeout_s
        with port.changed:
            while True:
                found = {node_id: port.boards[node_id].hosting for node_id in node_ids}
                hosting = {
                    n: told for n, told in found.items() if told is not None and told.session == session
                }
                if failed := [f"{n}: {told.failure}" for n, told in hosting.items() if told.failure]:
                    raise FleetStartError(f"boards could not build their nodes: {'; '.join(failed)}")
                if not (missing := [n for n in node_ids if n not in hosting]):
                    return
                if (left := end - time.monotonic()) <= 0:
                    raise FleetStartError(
                        f"{', '.join(missing)} built no node within {self._host_timeout_s:g} s; see the logs there"
                    )
                port.changed.wait(left)

    @property
    def _started(self) -> BoardPort:
        if self._port is None:
            raise RuntimeError("the fleet is not started: call start() first")
        return self._port

    def pids(self) -> dict[str, int]:
        port, lost = self._started, self.grid.lost_nodes()
        with port.changed:
            return {
                node_id: board.present.pid
                for node_id, board in port.boards.items()
                if board.present is not None and self._numbers[node_id] not in lost
            }

    def memories(self) -> dict[str, NodeMemory]:
        """See Fleet. A board that is away is waited for as one that is at work."""
        port, lost, overdue = self._started, self.grid.lost_nodes(), self.grid.overdue_nodes()
        busy = {node_id for node_id, number in self._numbers.items() if number in overdue}
        asked = {secrets.token_hex(8): n for n, number in self._numbers.items() if number not in lost}
        for letter_id, node_id in asked.items():
            port.send(node_id, letter_id, [], MEMORY)
        begun_s = time.monotonic()
        found: dict[str, NodeMemory] = {}
        with port.changed:
            while late := {asked[each] for each in asked.keys() - port.answers.keys()}:
                lost = self.grid.lost_nodes()
                is_there = any(
                    port.boards[node_id].turns is not None and self._numbers[node_id] not in lost
                    for node_id in late - busy
                )
                left = begun_s + (MEMORIES_S if is_there else AT_WORK_S) - time.monotonic()
                if left <= 0:
                    break
                port.changed.wait(min(left, AT_WORK_S))
            for letter_id, node_id in asked.items():
                port.withdraw(node_id, letter_id)
                if (content := port.answers.pop(letter_id, None)) is not None:
                    found[node_id] = NodeMemory.model_validate_json(bytes(content))
        return found

    def infer_addresses(self) -> dict[str, str]:
        port = self._started
        with port.changed:
            told = {node_id: board.hosting for node_id, board in port.boards.items()}
        return {n: found.infer_address for n, found in told.items() if found and found.infer_address}

    def check_listeners(self, ours: Iterable[str]) -> None:
        """See Fleet. Of this machine only; beyond loopback this fleet's own port and the coordinator's are meant."""
        hosts = [address.rpartition(":") for address in (*ours, self._started.address)]
        require_loopback(open_ports=[int(port) for host, _, port in hosts if not is_loopback(host)])

    def repair(self) -> None:
        """Boards come back by themselves."""

    def release(self) -> None:
        """Have the boards close their nodes; those that are away do so when they dial again."""
        if self._port is None or not self._session:
            return
        self._session, port = "", self._port
        port.assign = lambda _: None
        port.call_all()
        end = time.monotonic() + RELEASE_S
        with port.changed:
            while (left := end - time.monotonic()) > 0 and any(
                board.turns is not None and board.hosting is not None and board.hosting.session
                for board in port.boards.values()
            ):
                port.changed.wait(left)
            for board in port.boards.values():
                board.waiting.clear()
            port.answers.clear()

    def stop(self) -> None:
        self._coordinators.stop()
        if self._port is not None:
            self.release()
            self._port.close()
            self._port = None


def _bundle(config: NodeConfig) -> bytes | None:
    """The app that travels to boards. Raises FleetStartError where it is no longer the one that was resolved."""
    app = config.app
    if app is None or not app.sha256:
        return None
    bundle = bundle_of(Path(app.folder))
    if hashlib.sha256(bundle).hexdigest() != app.sha256:
        raise FleetStartError(f"{app.folder} has changed since the run was prepared; run it again")
    return bundle
