"""Messages as the ledger keeps them. What only slots on the wall clock have is left out elsewhere. Pure."""

from __future__ import annotations

from typing import Any

from coordinator.ledger.body import body_of
from protos.messages.runner import SlotPlan
from protos.messages.slot import Settlement, Telemetry, Usage
from protos.messages.stream import Register


def message_document(message: Telemetry | Usage | Settlement) -> dict[str, Any]:
    """A node's record."""
    body = body_of(message)
    if body.get("duration_s", 0.0) is None:
        del body["duration_s"]
    if isinstance(message, Usage) and message.harvest_metered is None:
        del body["harvest_metered"]
    if isinstance(message, Usage) and not message.requests:
        del body["requests"]  # of nodes that serve a language model
    if isinstance(message, Usage) and message.other_waste_uj is None:
        del body["other_waste_uj"]
    for one in body.get("requests", ()):
        if not one["answer"]:
            del one["answer"], one["answer_bytes"]  # of turns of conversations
    if isinstance(message, Telemetry) and not message.battery_was_read:
        del body["battery_was_read"]
    if isinstance(message, Telemetry) and not message.work:
        del body["work"]  # only users' apps learn what their work costs
    return body


def registration_document(message: Register) -> dict[str, Any]:
    """A node's registration. What only nodes with a language model or operating points have is left out elsewhere."""
    body = body_of(message)
    if not body["profile"]["points"]:
        del body["profile"]["points"]  # of boards whose clock is chosen
    for work in body["profile"]["work"]:
        for name in ("hand_over", "calibrated", "compute_j"):
            if not work[name]:
                del work[name]
    return body


def plan_document(plan: SlotPlan) -> dict[str, Any]:
    """A slot's plan. How much of the slot is left is true of one moment, and not kept."""
    body = body_of(plan)
    for decision in body["decisions"]:
        del decision["remaining_s"]
        for name in ("missed", "point", "recalled"):
            if not decision[name]:
                del decision[name]
        for each in (*decision["sends"], *decision["guests"]):
            if not each["handed"]:
                del each["handed"]  # of requests to a language model
    return body
