"""Whether a node may work for its coordinator now; threads wait here for a change."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edge_node.slots.link import LinkError


class Lease:
    """One node's standing with its coordinator. Thread-safe."""

    def __init__(self, node_id: str) -> None:
        self._node_id = node_id
        self._changed = threading.Condition()
        self.fenced = True
        """No lease that the node can be sure of: before the first Welcome, or after a time without messages."""
        self.failure = ""
        """Why the node is cut off and will not be let in again; empty: it is not."""
        self.closed = False
        """The node has left."""

    @property
    def ended(self) -> bool:
        """Whether there will be no lease any more."""
        return bool(self.failure) or self.closed

    def lift(self) -> None:
        """The coordinator has welcomed the node."""
        self.fenced = False
        self.changed()

    def fence(self) -> None:
        """No message has come from the coordinator for too long."""
        self.fenced = True
        self.changed()

    def fail(self, reason: str) -> None:
        """The node is cut off."""
        self.failure, self.fenced = reason, True
        self.changed()

    def close(self) -> None:
        """The node leaves."""
        self.closed = True
        self.changed()

    def changed(self) -> None:
        """Something happened to the node or its lease: wake those who wait."""
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Block until ``condition`` holds, looked at again after each change. Returns whether it does."""
        with self._changed:
            return self._changed.wait_for(condition, max(0.0, timeout_s))

    def check(self) -> None:
        """Raises LinkError where the node is cut off or has left."""
        if self.failure:
            raise LinkError(f"{self._node_id} is cut off: {self.failure}")
        if self.closed:
            raise LinkError(f"the link of {self._node_id} is closed")
