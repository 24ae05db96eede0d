"""A reported slot and its trade become a settlement: what the node's battery and bus did, (D1)-(D3)."""

from __future__ import annotations

from dataclasses import asdict

from carbon_data.storage import Balance, balance
from edge_node.slots.errors import StaleDecision
from edge_node.slots.phases import Phase
from edge_node.slots.slot import SlotState
from edge_node.slots.state import NodeState
from protos.messages.slot import EnergyGrant, Settlement, Usage


class Settling:
    """Settles one node's slots."""

    def __init__(self, node: NodeState) -> None:
        self._node = node

    def settle(self, grant: EnergyGrant) -> Settlement:
        """Balance the bus, and go on to the next slot. Asked again, the same settlement.

        Raises:
            StaleDecision: no reading of that slot was reported.
            EnergyError: more is to be exported than this bus can give.
        """
        node, slot = self._node, self._node.find(grant.slot)
        if grant.node_id != node.node_id or slot is None or slot.usage is None:
            raise StaleDecision(f"grant of {grant.node_id} for slot {grant.slot} at {node.node_id}")
        node.in_doubt = False
        if slot.settlement is not None and slot.grant == grant:
            return slot.settlement
        result = self._balance(slot, slot.usage, grant)
        if slot.settlement is not None:
            node.outbox.remove(slot.settlement.seq)
        slot.enter(Phase.SETTLED)
        slot.grant = grant
        slot.settlement = Settlement(
            node.node_id, node.boot_id, node.outbox.next_seq(), grant.epoch, grant.slot, **asdict(result)
        )
        node.outbox.put(slot.settlement.seq, slot.settlement)
        node.battery_uj = result.battery_after_uj
        if slot is node.current:
            node.leave(slot)
        elif node.current is not None:
            node.current.telemetry = None  # it named another battery
        return slot.settlement

    def _balance(self, slot: SlotState, usage: Usage, grant: EnergyGrant) -> Balance:
        before = self._node.battery_uj if slot.settlement is None else slot.settlement.battery_before_uj
        # Without a decision nothing is charged or drawn: what is stored was meant for a slot that was planned.
        decided = slot.decision is not None
        return balance(
            self._node.battery_over(usage.duration_s),
            before,
            demand_uj=sum(line.energy_uj for line in usage.lines),
            harvest_uj=usage.harvest_uj,
            import_uj=grant.import_uj,
            export_uj=grant.export_uj,
            charge_uj=slot.charge_uj if decided else 0,
            discharge_uj=slot.discharge_uj if decided else 0,
        )
