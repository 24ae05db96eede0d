"""Who works in a slot that has begun."""

from __future__ import annotations

from coordinator.adapters.flower_slots import call
from protos.messages.terms import Stage
from tests.coordinator.adapters.script import NUMBERS, Script


def test_workers_are_sorted_by_whether_their_process_lives() -> None:
    plan = Script({"a": 2, "b": 0, "c": 1}).begin_slot(3, Stage.DEVELOPMENT, 1.0)
    called = call(plan, NUMBERS, {2, 3})
    assert called.sent == ("a",)
    assert called.unreachable == ("c",)
    assert called.plan is plan
