"""Join a Ray cluster that runs already, and refuse within seconds what would end a run later.

Machines join with ``ray start --address HEAD:PORT``; a board that hosts one certain node is started with
``--resources '{"board:n7": 1}'``. Nothing of the cluster is started or stopped here.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import psutil
import ray

from experiments.errors import UsageError
from protos.access.config import is_loopback

from .base import Managed
from .ray_prints import logged_prints

AUTO = "auto"
"""The cluster of RAY_ADDRESS, or the one that runs on this machine."""
WAIT_S = 10.0
"""Longest time in which boards may appear."""
DIAL_S = 5.0
POLL_S = 0.25
TLS = "RAY_USE_TLS"
METRICS = "RAY_enable_metrics_collection"


@contextlib.contextmanager
def _without_metrics() -> Iterator[None]:
    """Ray reads its settings as this process joins. Its metrics are not used, and are off, as in ray_local.py, unless
    the environment sets them."""
    before = os.environ.get(METRICS)
    os.environ.setdefault(METRICS, "0")
    try:
        yield
    finally:
        if before is None:
            del os.environ[METRICS]


def board_resource(node_id: str) -> str:
    """Ray resource of the machine that hosts this node."""
    return f"board:{node_id}"


class ClusterRay(Managed):
    """This process as a member of a cluster.

    Args:
        address: ``host:port`` of its head, or AUTO.
        boards: Nodes that each have a machine of their own, with their board_resource; empty: any machine.
        host: Where the coordinator listens; machines other than this one must reach it. None: there is none.
        insecure: Weights and tokens may be sent unencrypted.
        given_as: Option or key that gave ``address``, for messages.
    """

    def __init__(
        self,
        address: str,
        boards: Sequence[str] = (),
        *,
        host: str | None,
        insecure: bool = False,
        given_as: str = "fleet.address",
    ) -> None:
        self.boards = tuple(boards)
        self.local = host is not None and is_loopback(host)
        """Whether all nodes are on this machine."""
        self._open = contextlib.ExitStack()
        self._address, self._host, self._insecure, self._given_as = address, host, insecure, given_as

    def start(self) -> None:
        """Join. Raises UsageError with what the cluster lacks; this process has then left it."""
        self._require_protection()
        address = self._reachable()
        self._open.enter_context(logged_prints())
        try:
            with warnings.catch_warnings(), _without_metrics():
                warnings.simplefilter("ignore", FutureWarning)
                ray.init(address=address, log_to_driver=False, configure_logging=False)
        except (
            Exception
        ) as error:  # Ray raises bare Exception, RuntimeError, ConnectionError and its own kinds here
            self._open.close()
            raise UsageError(
                f"the Ray cluster at {self._address} refused this process: {_first_line(error)}; check that `ray "
                "--version` and `python --version` are the same on its machines and here, and that RAY_AUTH_MODE, "
                f"RAY_AUTH_TOKEN_PATH and {TLS} are the same for its raylets and in this shell"
            ) from error
        try:
            self._require_machines()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Leave the cluster; its processes for this run end."""
        ray.shutdown()
        self._open.close()

    def _require_protection(self) -> None:
        if self._host is None or self.local or self._protected():
            return
        raise UsageError(
            f"coordinator.host is {self._host}, and {TLS} is not set: Ray's token and the weights would be sent "
            f"unencrypted; start every raylet and this command with {TLS}=1, RAY_TLS_SERVER_CERT, "
            "RAY_TLS_SERVER_KEY and RAY_TLS_CA_CERT, or allow it with coordinator.insecure = true"
        )

    def _protected(self) -> bool:
        return self._insecure or os.environ.get(TLS, "0").lower() in ("1", "true")

    def _reachable(self) -> str:
        """The address. Raises UsageError where nothing listens there; Ray itself needs a minute to notice."""
        address = os.environ.get("RAY_ADDRESS", AUTO) if self._address == AUTO else self._address
        if address == AUTO:
            return AUTO
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), DIAL_S):
                return address
        except (OSError, ValueError) as error:
            raise UsageError(
                f"no Ray cluster answers at {address} ({getattr(error, 'strerror', None) or error}); start its head "
                f"there with `ray start --head --port PORT`, or correct {self._given_as}"
            ) from None

    def _require_machines(self) -> None:
        end = time.monotonic() + WAIT_S
        while missing := self._missing():
            if time.monotonic() > end:
                there = sorted(
                    name for node in _alive() for name in node["Resources"] if name.startswith("board:")
                )
                raise UsageError(
                    f"the Ray cluster at {self._address} has no machine for {', '.join(missing)}; it has "
                    f"{', '.join(there) or 'no boards'} on {len(_alive())} machines. On each missing board: ray start "
                    f"--address HEAD:PORT --resources '{{\"{board_resource(missing[0])}\": 1}}'"
                )
            time.sleep(POLL_S)
        ours = _own_addresses()
        others = sorted({node["NodeManagerAddress"] for node in self._used()} - ours)
        if others and self._host is None and not self._protected():
            raise UsageError(
                f"{', '.join(others)} would compute, and {TLS} is not set: Ray's token and the weights would be "
                f"sent unencrypted; start every raylet and this command with {TLS}=1, RAY_TLS_SERVER_CERT, "
                "RAY_TLS_SERVER_KEY and RAY_TLS_CA_CERT, or allow it with coordinator.insecure = true"
            )
        if others and self.local:
            raise UsageError(
                f"coordinator.host is {self._host}, which {', '.join(others)} cannot reach; set it to the address at "
                f"which the cluster's machines reach this one ({', '.join(sorted(a for a in ours if not _loop(a)))})"
            )
        if others and self._host in ("0.0.0.0", "[::]"):
            raise UsageError(
                f"coordinator.host is {self._host}, to which nodes cannot connect; set it to one address of this "
                "machine"
            )

    def _missing(self) -> list[str]:
        there = {name for node in _alive() for name in node["Resources"]}
        return [node_id for node_id in self.boards if board_resource(node_id) not in there]

    def _used(self) -> list[dict[str, Any]]:
        wanted = {board_resource(node_id) for node_id in self.boards}
        return [node for node in _alive() if not wanted or wanted & node["Resources"].keys()]


def own_address() -> str:
    """That of this machine in the cluster."""
    return str(ray.util.get_node_ip_address())


def _alive() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _own_addresses() -> set[str]:
    return {found.address for addresses in psutil.net_if_addrs().values() for found in addresses}


def _loop(address: str) -> bool:
    return address.startswith("127.") or ":" in address


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
