"""A node's link to its coordinator and its peers: one port for a gRPC stream and for a shared process.

``respond`` is the whole protocol of the node's side; a link only carries messages and parcels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from carbon_data.storage import EnergyError
from edge_node.meters.base import MeterError
from edge_node.slots.errors import NodeError, NotReady
from edge_node.slots.node import EdgeNode
from edge_node.slots.slot import Readiness
from protos.messages.market import MarketCall, MarketNews
from protos.messages.parcels import Parcel
from protos.messages.slot import CloseSlot, Decision, EnergyGrant
from protos.messages.stream import (
    Ack,
    ClockQuestion,
    DownMessage,
    Gone,
    Heard,
    Refusal,
    Register,
    UpMessage,
    Welcome,
)

FATAL_REFUSALS = frozenset(
    {"fenced", "unknown_node", "unknown_zone", "bad_profile", "stale_boot", "wrong_certificate", "revoked"}
)
"""After these a node cannot take part any more: a newer copy of it runs, it is not of this run, or its certificate is
another's or revoked."""


class LinkError(RuntimeError):
    """The node is cut off and cannot come back: says why."""


class Link(Protocol):
    """A node's way to the others, as the Flower client and the fleets see it."""

    @property
    def node(self) -> EdgeNode: ...

    @property
    def address(self) -> str:
        """host:port where peers deliver batches; empty where nodes share a process."""
        ...

    @property
    def infer_address(self) -> str:
        """host:port where outside clients ask this node; empty where outside clients are not served."""
        ...

    def start(self) -> None:
        """Register with the coordinator and attend it from now on."""
        ...

    def wait_ready(self, slot: int, timeout_s: float) -> Readiness:
        """Block until ``slot`` is decided and its parcels are settled, so that ``node.execute`` may run.

        Offloaded batches that have not come after half the time are given up.

        Raises:
            NotReady: the time is over and the decision or a parcel's outcome is not there, or the slot is
            over. LinkError: the node is cut off.
        """
        ...

    def close(self) -> None:
        """Leave. May be called twice."""
        ...


@dataclass(slots=True)
class Response:
    """Response to a message of the coordinator."""

    up: list[UpMessage] = field(default_factory=list)
    """To say to the coordinator, in order."""
    parcels: list[tuple[str, Parcel]] = field(default_factory=list)
    """(address, parcel) to deliver to executors."""


def respond(node: EdgeNode, message: DownMessage) -> Response:
    """Hand a message to the node; what it cannot do becomes a Refusal with a code."""
    try:
        return _respond(node, message)
    except NodeError as error:
        return Response([Refusal(error.code, _short(error))])
    except MeterError as error:
        return Response([Refusal("meter", _short(error)), *after_slot(node)])
    except EnergyError as error:
        return Response([Refusal("energy", _short(error))])


def tick(node: EdgeNode) -> Response:
    """Once per heartbeat, after the heartbeat itself: messages that must be sent again."""
    try:
        return Response(node.tick())
    except MeterError as error:
        return Response([Refusal("meter", _short(error)), *after_slot(node)])


def _respond(node: EdgeNode, message: DownMessage) -> Response:
    if isinstance(message, Welcome):
        node.on_welcome(message)
        readings = node.unacknowledged()
        return Response(readings or after_slot(node))
    if isinstance(message, Ack):
        node.acknowledged(message)
        return Response()
    if isinstance(message, Heard):  # of leases alone, which are the adapter's
        return Response()
    if isinstance(message, Gone):
        node.give_up_missing(message.slot, message.node_ids)
        return Response()
    if isinstance(message, Decision):
        addresses = {send.executor: send.address for send in message.sends}
        parcels = node.on_decision(message)
        return Response(parcels=[(addresses[parcel.executor], parcel) for parcel in parcels])
    if isinstance(message, CloseSlot):
        return Response([node.close(message)])
    if isinstance(message, EnergyGrant):
        return Response([node.on_grant(message), *after_slot(node)])
    if isinstance(message, ClockQuestion):
        return Response([node.clock(message)])
    if isinstance(message, MarketCall | MarketNews):
        return Response(node.on_market(message))
    before = node.slot
    node.on_refusal(message)
    return Response(after_slot(node) if node.slot != before else [])


def after_slot(node: EdgeNode) -> list[UpMessage]:
    """Messages at the beginning of a slot; none once the run is over, or while a slot is in doubt."""
    return node.before_slot()


def _short(error: Exception) -> str:
    text = "".join(c if c.isprintable() else " " for c in str(error))
    return text[:500]


class LocalLink:
    """Nodes that share a process: parcels go from object to object, messages through ``receive``.

    The caller plays the coordinator: it calls ``register`` once, then ``receive`` with each of its messages, and
    passes on what comes back. Every decision of a slot must have been received before any node executes it.
    """

    def __init__(self, node: EdgeNode, links: dict[str, LocalLink], boot_id: str) -> None:
        """``links``: all nodes of the process by id; this one enters itself."""
        self._node, self._links, self._boot_id = node, links, boot_id
        links[node.node_id] = self

    @property
    def node(self) -> EdgeNode:
        return self._node

    @property
    def address(self) -> str:
        return ""

    @property
    def infer_address(self) -> str:
        return ""

    def register(self) -> Register:
        """First message to the coordinator."""
        return self._node.register(self._boot_id, self.address)

    def start(self) -> None:
        """Nothing runs by itself: see ``register`` and ``receive``."""

    def receive(self, message: DownMessage) -> list[UpMessage]:
        """Take a message of the coordinator; returns the answers."""
        response = respond(self._node, message)
        for _, parcel in response.parcels:
            deliver_locally(self._node, self._links, parcel)
        return response.up

    def tick(self) -> list[UpMessage]:
        """Once per heartbeat, where nodes may have missed messages: messages that must be sent, or sent again."""
        return tick(self._node).up

    def wait_ready(self, slot: int, timeout_s: float) -> Readiness:
        """As Link: nothing is under way in one process, so what has not come will not come."""
        self._node.give_up_missing(slot)
        return require_ready(self._node, slot)

    def close(self) -> None:
        self._links.pop(self._node.node_id, None)
        self._node.leave()


def deliver_locally(node: EdgeNode, links: Mapping[str, Link], parcel: Parcel) -> None:
    """Give a parcel of ``node`` to its executor in this process."""
    parcel = node.read_ahead(parcel)
    executor = links.get(parcel.executor)
    receipt = None if executor is None else executor.node.on_parcel(parcel)
    if receipt is not None and receipt.accepted:
        node.parcel_delivered(parcel)
    else:
        node.parcel_failed(parcel)


def require_ready(node: EdgeNode, slot: int) -> Readiness:
    """The slot's readiness. Raises NotReady, saying what is missing."""
    readiness = node.readiness(slot)
    if not readiness.ready:
        raise NotReady(f"{node.node_id} cannot run slot {slot}: {readiness.describe()}")
    return readiness
