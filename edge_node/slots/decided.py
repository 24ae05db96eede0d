"""What a decision must be before a node takes it up, whatever state the node is in. Pure."""

from __future__ import annotations

from edge_node.config import NodeConfig
from edge_node.slots.errors import InvalidDecision
from protos.messages import Decision


def check_decision(config: NodeConfig, decision: Decision) -> None:
    """Raises InvalidDecision for a decision that is another node's, of no slot of the run, or of impossible content."""
    name = config.node_id
    if decision.node_id != name:
        raise InvalidDecision(f"decision of {decision.node_id} came to {name}")
    if not 0 <= decision.slot < len(config.stages):
        raise InvalidDecision(f"slot {decision.slot} of a run of {len(config.stages)} slots")
    if decision.stage is not config.stages[decision.slot]:
        planned = config.stages[decision.slot]
        raise InvalidDecision(f"slot {decision.slot} is {planned} in this run, not {decision.stage}")
    if not decision.awake and (decision.own_batches or decision.sends or decision.guests):
        raise InvalidDecision(f"{name} cannot sleep and work in slot {decision.slot}")
    for names in ([s.executor for s in decision.sends], [g.owner for g in decision.guests]):
        if len(set(names)) != len(names) or name in names:
            raise InvalidDecision(f"peers of {name} are {names}; allowed is each other node once")
