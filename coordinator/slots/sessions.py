"""Sessions of nodes: one stream a node, fenced by a newer one, and leases on an injected monotonic clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_ENDED = -1
"""Number of a session whose stream has ended."""


@dataclass(slots=True)
class Session:
    """A node's current stream."""

    number: int
    lease_until: float


class Sessions:
    """Streams and leases of a run's nodes. Nothing here is durable: a restart begins with no node connected.

    ``known``: nodes of the run before a restart; each gets one lease to come back in, so that nothing is
    decided without them meanwhile.
    """

    def __init__(
        self, node_ids: Sequence[str], known: Iterable[str], lease_s: float, clock: Callable[[], float]
    ) -> None:
        self._node_ids = tuple(node_ids)
        self._lease_s = lease_s
        self._clock = clock
        self._current: dict[str, Session] = {}
        self._count = 0
        self._grace = dict.fromkeys(known, clock() + lease_s)

    def open(self, node: str) -> int:
        """A new stream of ``node``, which fences the one before. Returns its number."""
        self._count += 1
        self._current[node] = Session(self._count, self._clock() + self._lease_s)
        return self._count

    def close(self, node: str, number: int) -> None:
        """A stream ended. The lease runs on: the node may come back."""
        if self.is_current(node, number):
            self._current[node].number = _ENDED

    def is_current(self, node: str, number: int) -> bool:
        """False once a newer stream of the same node has fenced this one, or it has ended."""
        session = self._current.get(node)
        return session is not None and session.number == number

    def is_open(self, node: str) -> bool:
        """Whether a stream of the node is open."""
        session = self._current.get(node)
        return session is not None and session.number != _ENDED

    def renew(self, node: str) -> None:
        """Any message of a node renews its lease."""
        self._current[node].lease_until = self._clock() + self._lease_s

    def live(self) -> tuple[str, ...]:
        """Nodes that hold a lease, in the order of the configuration."""
        return self.living(self._node_ids)

    def living(self, nodes: Iterable[str]) -> tuple[str, ...]:
        """Those of ``nodes`` that hold a lease, in their order."""
        now = self._clock()
        return tuple(node for node in nodes if self._until(node) > now)

    def came(self) -> tuple[str, ...]:
        """Those of them that registered since this start of the coordinator: without nodes that may still come back."""
        return tuple(node for node in self.live() if node in self._current)

    def next_expiry(self) -> float:
        """When the next lease ends; infinity when none is held."""
        now = self._clock()
        return min((end for node in self._node_ids if (end := self._until(node)) > now), default=float("inf"))

    def _until(self, node: str) -> float:
        session = self._current.get(node)
        return session.lease_until if session is not None else self._grace.get(node, float("-inf"))
