"""Who works in a slot that has begun."""

from __future__ import annotations

from dataclasses import replace

from coordinator.adapters.flower_slots import call
from protos.messages.slot import Send
from protos.messages.terms import Stage
from tests.coordinator.adapters.script import NUMBERS, Script


def test_workers_are_sorted_by_whether_their_process_lives() -> None:
    plan = Script({"a": 2, "b": 0, "c": 1}).begin_slot(3, Stage.DEVELOPMENT, 1.0)
    called = call(plan, NUMBERS, {2, 3})
    assert called.sent == ("a",)
    assert called.unreachable == ("c",)
    assert called.plan is plan


def test_a_node_that_sends_all_is_asked_where_that_brings_no_model_for_they_may_not_be_taken() -> None:
    plan = Script({"a": 0, "b": 0, "c": 1}).begin_slot(3, Stage.APPLICATION, 1.0)
    sends = {"a": (Send("c", "", 2),)}
    decisions = tuple(replace(each, sends=sends.get(each.node_id, ())) for each in plan.decisions)
    plan = replace(plan, decisions=decisions)
    assert call(plan, NUMBERS, NUMBERS.values(), brings_model=False).sent == ("a", "c")
    assert call(plan, NUMBERS, NUMBERS.values()).sent == ("c",)
    reading = replace(decisions[0], sends=(Send("c", "", 2, handed=1),))
    assert call(replace(plan, decisions=(reading, *decisions[1:])), NUMBERS, NUMBERS.values()).sent == (
        "a",
        "c",
    )
    asleep = replace(decisions[0], awake=False)
    plan = replace(plan, decisions=(asleep, *decisions[1:]))
    assert call(plan, NUMBERS, NUMBERS.values(), brings_model=False).sent == ("c",)
