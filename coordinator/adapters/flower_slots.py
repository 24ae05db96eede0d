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


def workers(plan: SlotPlan, *, brings_model: bool = True) -> tuple[Decision, ...]:
    """Decisions of the nodes that are awake and have, or may have, something to run: after a market, or because batches
    that were to leave were not taken. ``brings_model``: whether a message brings a model; then a node all of whose
    batches leave is not asked, unless it reads their prompts: it would be sent megabytes for batches that hardly ever
    come back."""
    return tuple(
        d
        for d in plan.decisions
        if d.awake
        and not d.missed
        and (
            d.self_managed
            or decided_batches(d) > 0
            or any(send.handed or not brings_model for send in d.sends)
        )
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
    """Of awake nodes that have, or may have, work and a living process."""
    unreachable: tuple[str, ...]
    """Nodes that were to work but are known to be dead."""

    @property
    def sent(self) -> tuple[str, ...]:
        """Names of the nodes that work, in the plan's order."""
        return tuple(decision.node_id for decision in self.chosen)

    def gone(self, numbers: Mapping[str, int], alive: Collection[int]) -> tuple[str, ...]:
        """Nodes that got no message, for all of their work was to go to others, and whose process has ended since."""
        called = {*self.sent, *self.unreachable}
        return tuple(
            decision.node_id
            for decision in self.plan.decisions
            if decision.sends and decision.node_id not in called and numbers[decision.node_id] not in alive
        )


def call(
    plan: SlotPlan, numbers: Mapping[str, int], alive: Collection[int], *, brings_model: bool = True
) -> Called:
    """Sort the plan's workers by whether their process lives. ``numbers``: Flower node number by node id;
    ``brings_model``: as of ``workers``."""
    found = workers(plan, brings_model=brings_model)
    return Called(
        plan,
        tuple(decision for decision in found if numbers[decision.node_id] in alive),
        tuple(decision.node_id for decision in found if numbers[decision.node_id] not in alive),
    )
