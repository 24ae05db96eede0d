"""The steps of a slot that every way of running one shares: begin it, find who works in it, address these nodes.

A strategy whose rounds are slots (flower_strategy.Decided), the schedule's queries (flower_server.Schedule) and the
grid that a stock ServerApp drives (slot_grid.SlotGrid) all take them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from protos.messages.runner import SlotPlan, SlotSummary
from protos.messages.slot import Decision
from protos.messages.terms import Stage

ConfigValue = (
    int | float | str | bytes | bool | list[int] | list[float] | list[str] | list[bytes] | list[bool]
)
"""Values that Flower's ConfigRecord holds."""


class SlotControl(Protocol):
    """The coordinator as the runner sees it: both calls are idempotent, and patient while it restarts."""

    def begin_slot(self, slot: int, stage: Stage, wait_s: float) -> SlotPlan: ...

    def end_slot(
        self, slot: int, wait_s: float, aggregated_parameters: int = 0, evaluated_examples: int = 0
    ) -> SlotSummary: ...


def decided_batches(decision: Decision) -> int:
    """Batches a node runs in this slot, as far as the plan has them: its own and offloaded ones. Only a self-managed
    node itself knows how many of its own batches it runs."""
    return decision.own_batches + sum(guest.batches for guest in decision.guests)


def workers(plan: SlotPlan) -> tuple[Decision, ...]:
    """Decisions of the nodes that are awake and have, or after a market may have, something to run."""
    return tuple(
        d for d in plan.decisions if d.awake and not d.missed and (d.self_managed or decided_batches(d) > 0)
    )


def slot_config(decision: Decision) -> dict[str, ConfigValue]:
    """Settings for a node's ClientApp beside the strategy's own ones."""
    return {
        "slot": decision.slot,
        "epoch": decision.epoch,
        "stage": decision.stage.value,
        "batches": decided_batches(decision),
        "deadline-s": decision.deadline_s,
    }


def group_of(slot: int) -> str:
    """Group of a slot's messages: sent again, they are answered and not executed again."""
    return f"slot-{slot}"


@dataclass(frozen=True, slots=True)
class Called:
    """Who is to work in a slot that has begun."""

    plan: SlotPlan
    chosen: tuple[Decision, ...]
    """Of awake nodes that have work and a living process."""
    unreachable: tuple[str, ...]
    """Nodes that were to work but are known to be dead."""

    @property
    def sent(self) -> tuple[str, ...]:
        """Names of the nodes that work, in the plan's order."""
        return tuple(decision.node_id for decision in self.chosen)


def call(plan: SlotPlan, numbers: Mapping[str, int], alive: Collection[int]) -> Called:
    """Sort the plan's workers by whether their process lives. ``numbers``: Flower node number by node id."""
    found = workers(plan)
    return Called(
        plan,
        tuple(decision for decision in found if numbers[decision.node_id] in alive),
        tuple(decision.node_id for decision in found if numbers[decision.node_id] not in alive),
    )
