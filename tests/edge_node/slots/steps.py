"""Messages of the coordinator to a node in these tests, one call per step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from edge_node.slots.node import EdgeNode
from protos.messages.slot import CloseSlot, Decision, EnergyGrant, Settlement, Usage
from protos.messages.stream import Welcome
from protos.messages.terms import Component, Stage

MakeNode = Callable[..., EdgeNode]
BATCH_BYTES = 5 * (4 * 4 + 4 + 8)
"""Of a batch of the linear workload (conftest.py)."""


def decide(node: str, slot: int, own: int = 0, **changes: Any) -> Decision:
    plain = Decision(node, 1, slot, Stage.DEVELOPMENT, True, own, (), (), 0, 0, 10**9, 10.0)
    return dataclasses.replace(plain, **changes)


def welcome(node: EdgeNode, slot: int = 0, battery_uj: int | None = None, epoch: int = 1) -> None:
    node.register("boot")
    node.on_welcome(Welcome("run", epoch, 2.0, 6.0, slot, battery_uj))


def finish(node: EdgeNode, slot: int, epoch: int = 1) -> tuple[Usage, Settlement]:
    usage = node.close(CloseSlot(epoch, slot))
    return usage, node.on_grant(EnergyGrant(node.node_id, epoch, slot, 0, 0))


def energies(usage: Usage) -> dict[Component, int]:
    totals: dict[Component, int] = {}
    for line in usage.lines:
        totals[line.component] = totals.get(line.component, 0) + line.energy_uj
    return totals


def make_started(make_node: MakeNode, **changes: Any) -> EdgeNode:
    node = make_node(**changes)
    welcome(node)
    return node
