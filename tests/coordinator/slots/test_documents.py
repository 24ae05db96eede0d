"""Documents of messages: the wall clock's fields are in those of its slots alone."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from coordinator.slots.documents import message_document, plan_document
from protos.messages.slot import ServedRequest, Telemetry, Usage
from protos.messages.terms import Stage
from protos.messages.work import WorkProfile
from tests.coordinator.slots.test_schedule import DECISION, PLAN

USAGE = Usage("n0", "boot", 1, 1, 0, (), 0, (), (), 0)


def without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in names}


def test_a_duration_is_kept_where_there_is_one() -> None:
    assert message_document(USAGE) == without(
        asdict(USAGE), "duration_s", "harvest_metered", "requests", "other_waste_uj"
    )
    timed = replace(USAGE, duration_s=0.0)
    assert message_document(timed) == without(asdict(timed), "harvest_metered", "requests", "other_waste_uj")
    telemetry = Telemetry("n0", "boot", 1, 0, 0, (1,), (1,))
    assert message_document(telemetry) == without(asdict(telemetry), "work", "battery_was_read")
    read = replace(telemetry, battery_was_read=True)
    assert message_document(read)["battery_was_read"] is True


def test_what_was_learned_of_the_work_is_kept_where_something_was() -> None:
    learned = WorkProfile(Stage.DEVELOPMENT, 2.0, 8.0, 1)
    telemetry = Telemetry("n0", "boot", 1, 0, 0, (1,), (1,), work=(learned,))
    assert message_document(telemetry)["work"] == asdict(telemetry)["work"]


def test_what_is_left_of_a_slot_is_not_kept_and_that_it_was_missed_is() -> None:
    late = replace(PLAN, decisions=(replace(DECISION, remaining_s=0.0, missed=True), DECISION))
    first, second = plan_document(late)["decisions"]
    assert first == without(asdict(replace(DECISION, missed=True)), "remaining_s", "point", "recalled")
    assert second == without(asdict(DECISION), "remaining_s", "missed", "point", "recalled")
    slow = plan_document(replace(PLAN, decisions=(replace(DECISION, point=2),)))
    assert slow["decisions"][0]["point"] == 2


def test_answers_are_kept_of_turns_alone() -> None:
    turn = ServedRequest(
        "n0", 0, 0, 0, 4, 2, 1, 1, 0, None, 1.0, 0.5, 0.5, 80, 90, answer=(7, 8), answer_bytes=5
    )
    one, other = message_document(replace(USAGE, requests=(turn, replace(turn, answer=()))))["requests"]
    assert (one["answer"], one["answer_bytes"]) == ((7, 8), 5)
    assert "answer" not in other
