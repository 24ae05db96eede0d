"""A node's link to its coordinator and its peers over gRPC, as the threads of its process see it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future

from edge_node.adapters.attendance import Attendance
from edge_node.adapters.host import GrpcHost
from edge_node.adapters.lease import Lease
from edge_node.slots.errors import NotReady
from edge_node.slots.link import LinkError, require_ready
from edge_node.slots.node import EdgeNode
from edge_node.slots.slot import Readiness
from protos.messages.terms import Overrun

OFFLOADED_TIMEOUT_S, OFFLOADED_FRACTION = 5.0, 5 / 6
"""Longest wait for offloaded batches once decided: so many seconds, or this share of the lease where that is longer. By
then their owners have delivered them, or taken them back."""
UNTOLD_S = 120.0
"""Longest wait without a lease for prompts that another node reads before it sends them (choice): nothing is known of
that node then. With a lease the coordinator says when nothing comes any more."""


class GrpcLink:
    """One node's way to coordinator and peers; see edge_node.slots.link.Link."""

    def __init__(
        self, node: EdgeNode, host: GrpcHost, coordinator_address: str = "", boot_id: str | None = None
    ) -> None:
        """Take parcels for the node from now on; ``start`` it to register.

        ``coordinator_address`` is by default that of the node's configuration, ``boot_id`` a fresh random one.

        Raises LinkError when the node is attached already, or its coordinator's address is given nowhere.
        """
        self._node, self._host = node, host
        self._coordinator = coordinator_address or node.config.coordinator_address
        if not self._coordinator:
            raise LinkError(f"{node.node_id} has no coordinator_address; give host:port in its configuration")
        self.lease = Lease(node.node_id)
        self.attendance = Attendance(node, host, self._coordinator, boot_id or uuid.uuid4().hex, self.lease)
        self._task: Future[None] | None = None
        host.enter(self)

    @property
    def node(self) -> EdgeNode:
        return self._node

    @property
    def address(self) -> str:
        return self._host.address

    @property
    def infer_address(self) -> str:
        """host:port at which outside clients ask this node."""
        return self._host.infer_address

    def heard(self) -> None:
        """The coordinator has heard of the node, and says so on another node's stream. On the host's loop only."""
        self.attendance.heard()

    @property
    def fenced(self) -> bool:
        """Whether the node holds no lease it can be sure of."""
        return self.lease.fenced

    def start(self) -> None:
        """Attend the coordinator from now on; returns at once, see ``wait_registered``."""
        if self._task is None and not self.lease.closed:
            self._task = self._host.submit(self.attendance.attend())

    def wait_registered(self, timeout_s: float) -> None:
        """Block until the coordinator has welcomed this node; LinkError when it does not."""
        self.lease.wait_for(lambda: not self.fenced or self.lease.ended, timeout_s)
        self.lease.check()
        if self.fenced:
            raise LinkError(
                f"{self._node.node_id}: no welcome from {self._coordinator} in {timeout_s:g} s; is it up"
                + (
                    f", and of the same authority? ({trouble})"
                    if (trouble := self.attendance.trouble)
                    else "?"
                )
            )

    def wait_ready(self, slot: int, timeout_s: float) -> Readiness:
        """See Link."""
        deadline = time.monotonic() + timeout_s
        self._wait(lambda: self._node.readiness(slot).decided, slot, timeout_s)
        if self._node.config.overrun is not Overrun.CUT:
            # What comes after the reading has its own time.
            deadline += self._own_reading_s(slot) + self._reading_of_others_s(slot)
        left_s = deadline - time.monotonic()
        most_s = min(left_s / 2, max(OFFLOADED_TIMEOUT_S, OFFLOADED_FRACTION * self.attendance.lease_s))
        if self._node.readiness(slot).awaits_reading:  # the slot is cut, or nothing was heard for too long
            most_s = left_s / 2
        self._wait(lambda: self._node.readiness(slot).ready, slot, most_s)
        self._node.give_up_missing(slot)
        self._wait(lambda: self._node.readiness(slot).ready, slot, deadline - time.monotonic())
        self.lease.check()
        if self.fenced:
            raise NotReady(f"{self._node.node_id} holds no lease: no message came from {self._coordinator}")
        return require_ready(self._node, slot)

    def _own_reading_s(self, slot: int) -> float:
        """Wait until the prompts that this node reads for others have left: its board is at work meanwhile. Returns the
        wall seconds."""
        begun_s = time.monotonic()

        def done() -> bool:
            readiness = self._node.readiness(slot)
            return self.lease.ended or readiness.over or not readiness.reads_for_others

        self.lease.wait_for(done, threading.TIMEOUT_MAX)
        return time.monotonic() - begun_s

    def _reading_of_others_s(self, slot: int) -> float:
        """Wait for prompts that other nodes read, as long as the coordinator does not say that nothing comes of them
        any more. Returns the wall seconds."""
        begun_s = time.monotonic()

        def done() -> bool:
            readiness = self._node.readiness(slot)
            return self.lease.ended or readiness.over or not readiness.awaits_reading

        while not done():
            self.lease.wait_for(lambda: self.fenced or done(), threading.TIMEOUT_MAX)
            if not self.lease.wait_for(lambda: not self.fenced or done(), UNTOLD_S):
                break
        return time.monotonic() - begun_s

    def _wait(self, condition: Callable[[], bool], slot: int, timeout_s: float) -> None:
        def done() -> bool:
            if self.lease.ended or self._node.readiness(slot).over:
                return True
            return condition() and not self.fenced

        self.lease.wait_for(done, timeout_s)

    def changed(self) -> None:
        """Something happened to the node: wake those who wait."""
        self.lease.changed()

    def close(self) -> None:
        if self.lease.closed:
            return
        self.lease.close()
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._host.leave(self)
        self._node.leave()
