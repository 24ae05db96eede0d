"""How a node registers, and where the coordinator's Welcome lets it begin."""

from __future__ import annotations

from edge_node.slots.errors import InvalidDecision
from edge_node.slots.hand_over import Handing
from edge_node.slots.memory import covers, recall
from edge_node.slots.outbox import relabel
from edge_node.slots.profile import node_profile
from edge_node.slots.state import NodeState
from protos.messages.stream import Heartbeat, NodeProfile, Register, Welcome


class Registration:
    """One node's registration with the coordinator."""

    def __init__(self, node: NodeState) -> None:
        self._node = node

    def register(self, boot_id: str, peer_address: str) -> Register:
        """First message of every stream. Readings of an earlier boot become this boot's.

        Raises InvalidDecision for another boot than before.
        """
        node = self._node
        if node.boot_id and boot_id != node.boot_id:
            raise InvalidDecision(
                f"{node.node_id} runs as boot {node.boot_id}; a new boot needs a new object"
            )
        if not node.boot_id:
            node.boot_id = boot_id
            relabel(node.outbox, boot_id)
        return Register(node.node_id, boot_id, peer_address, self.profile())

    def profile(self) -> NodeProfile:
        """Constants of this node."""
        return node_profile(self._node.config, self._node.workloads, self._node.meter)

    def welcome(self, welcome: Welcome) -> None:
        """A fresh node takes up slot and battery as the ledger has them, and what the start before it remembered.

        For any other node the coordinator may be in a later slot. It may still wait for the node's slot (then it
        says so between this Welcome and the next acknowledgement), or have ended it: see edge_node.slots.recovery.

        Raises InvalidDecision for another run's Welcome.
        """
        node = self._node
        if welcome.run_id != node.config.run_id:
            raise InvalidDecision(f"{node.node_id} is of run {node.config.run_id}, not {welcome.run_id}")
        node.negotiates = welcome.negotiates
        fresh = node.current is None and node.last is None
        node.heard_all = False
        node.coordinator_at(welcome.next_slot)
        if fresh:
            if welcome.battery_uj is not None:
                node.battery_uj = min(welcome.battery_uj, node.battery.capacity_uj)
            memory = node.config.memory
            if memory is not None and covers(memory, welcome.next_slot):
                recall(node, memory, welcome.next_slot)
            else:
                node.open(welcome.next_slot)

    def heartbeat(self, monotonic_ns: int, handing: Handing) -> Heartbeat:
        """Heartbeat; carries the last number given, so that the coordinator can see what it lacks."""
        node = self._node
        return Heartbeat(
            node.node_id,
            node.boot_id,
            node.outbox.last_seq,
            monotonic_ns,
            handing.awaits,
            handing.handed_slot,
        )
