"""The runner's side of slots that are cut: no reply is waited for beyond the slot's end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from coordinator.adapters.slot_time import SlotTime
from protos.messages.runner import SlotPlan
from protos.messages.terms import Stage
from tests.coordinator.adapters.script import Nodes
from tests.coordinator.slots.test_schedule import DECISION, PLAN


class Control:
    def __init__(self, plan: SlotPlan) -> None:
        self.plan = plan

    def begin_slot(self, slot: int, stage: Stage, wait_s: float) -> SlotPlan:
        return self.plan

    def end_slot(self, *args: Any) -> Any:
        return args


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def timeouts(plan: SlotPlan, passed_s: float, timeout: float | None) -> list[float]:
    clock, nodes = Clock(), Nodes()
    made = SlotTime(Control(plan), clock)
    made.begin_slot(0, Stage.DEVELOPMENT, 1.0)
    clock.now += passed_s  # e.g. while a model was evaluated
    made.grid(nodes).send_and_receive([], timeout=timeout)
    return nodes.timeouts


def test_replies_are_waited_for_until_the_slot_is_due() -> None:
    plan = replace(PLAN, decisions=(replace(DECISION, remaining_s=2.0),))
    assert timeouts(plan, 0.5, 600.0) == [1.5]
    assert timeouts(plan, 0.5, None) == [1.5]
    assert timeouts(plan, 0.5, 1.0) == [1.0]
    assert timeouts(plan, 3.0, 600.0) == [0.0]


def test_the_grid_is_otherwise_as_it_was() -> None:
    nodes = Nodes()
    assert SlotTime(Control(PLAN)).grid(nodes).get_node_ids() == list(nodes.get_node_ids())
    assert SlotTime(Control(PLAN)).end_slot(3, 1.0, 7, 8) == (3, 1.0, 7, 8)
