"""The actuator that a node's configuration names."""

from __future__ import annotations

from edge_node.actuators.actuator import Actuator, ActuatorError
from edge_node.actuators.command import CommandActuator
from edge_node.actuators.plugs import open_switch
from edge_node.actuators.supply import SupplyActuator
from edge_node.config import SleepConfig
from protos.messages.terms import Sleep

NODE = "{node}"
"""Stands for the node's name in arguments."""


def build_actuator(sleep: SleepConfig, node_id: str) -> Actuator:
    """Of real sleep. Raises ActuatorError."""
    down, up, ready = (
        tuple(each.replace(NODE, node_id) for each in arguments)
        for arguments in (sleep.down, sleep.up, sleep.ready)
    )
    if sleep.kind is Sleep.COMMAND:
        return CommandActuator(down, up, ready, sleep.time_limit_s)
    if sleep.kind is Sleep.SUPPLY:
        return SupplyActuator(open_switch(sleep.plug, sleep.relay), ready, sleep.time_limit_s)
    raise ActuatorError(f"sleep.kind = {sleep.kind!s}: nothing is switched")
