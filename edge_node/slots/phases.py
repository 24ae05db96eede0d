"""The phases of a slot at a node, and every transition between them."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Phase(StrEnum):
    """Where a node stands in a slot."""

    OPEN = "open"
    """Waits for its decision: the node sends its telemetry, or answers a market."""
    DECIDED = "decided"
    """Has a plan: parcels leave, offloaded batches are awaited. A newer epoch may replace the plan."""
    RUNNING = "running"
    """The board works. From here on the plan is fixed."""
    WORKED = "worked"
    """The work is done; a repeated request gets the same result."""
    REPORTED = "reported"
    """The meter is read: the usage is in the outbox."""
    SETTLED = "settled"
    """The trade is known and the bus is balanced: the settlement is in the outbox, the node in the next slot."""
    MISSED = "missed"
    """Left without a reading: a gap in the books."""


class Transition(NamedTuple):
    """One step of a slot."""

    before: Phase
    after: Phase
    when: str


_LATER = "the coordinator is in a later slot"
_UNREAD = f"{_LATER}, or the meter has no reading"

TRANSITIONS = (
    Transition(Phase.OPEN, Phase.DECIDED, "a decision is accepted"),
    Transition(Phase.OPEN, Phase.REPORTED, "the slot is closed, and no decision came"),
    Transition(Phase.OPEN, Phase.MISSED, _UNREAD),
    Transition(Phase.DECIDED, Phase.DECIDED, "a decision of a newer epoch replaces the plan"),
    Transition(Phase.DECIDED, Phase.RUNNING, "the model is here, and all parcels are settled"),
    Transition(Phase.DECIDED, Phase.REPORTED, "the slot is closed before its work began"),
    Transition(Phase.DECIDED, Phase.MISSED, _UNREAD),
    Transition(Phase.RUNNING, Phase.WORKED, "the work is done"),
    Transition(Phase.RUNNING, Phase.DECIDED, "the work failed and may be tried again"),
    Transition(Phase.RUNNING, Phase.REPORTED, "the slot is closed amid its work, which is then waste"),
    Transition(Phase.RUNNING, Phase.MISSED, _UNREAD),
    Transition(Phase.WORKED, Phase.REPORTED, "the slot is closed"),
    Transition(Phase.WORKED, Phase.MISSED, _UNREAD),
    Transition(Phase.REPORTED, Phase.SETTLED, "the slot's trade is known"),
    Transition(Phase.SETTLED, Phase.SETTLED, "the trade is told again, with other content or a newer epoch"),
)
"""A node that leaves a slot keeps it as its last one: a slot reported or settled can still be asked for."""

_ALLOWED = frozenset((each.before, each.after) for each in TRANSITIONS)


def check_transition(before: Phase, after: Phase) -> None:
    """Raises RuntimeError for a step that is not among TRANSITIONS: a defect of the node."""
    if (before, after) not in _ALLOWED:
        allowed = sorted(each.after for each in TRANSITIONS if each.before is before)
        raise RuntimeError(f"a slot cannot become {after} while it is {before}; allowed is {allowed}")
