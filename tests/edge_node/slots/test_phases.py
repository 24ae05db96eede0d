"""Phases of a slot: it ends as a booking or as a gap, and no step leads back after the meter is read."""

from __future__ import annotations

import pytest

from edge_node.slots.phases import TRANSITIONS, Phase, check_transition
from edge_node.slots.slot import SlotState
from protos.messages.terms import Stage


def following(phase: Phase) -> set[Phase]:
    return {each.after for each in TRANSITIONS if each.before is phase}


def reachable(phase: Phase) -> set[Phase]:
    found: set[Phase] = set()
    ahead = following(phase)
    while ahead:
        found |= ahead
        ahead = {after for each in ahead for after in following(each)} - found
    return found


def test_each_transition_stands_once_and_says_when() -> None:
    pairs = [(each.before, each.after) for each in TRANSITIONS]
    assert len(set(pairs)) == len(pairs)
    assert all(each.when for each in TRANSITIONS)


def test_every_phase_is_reached_and_leads_to_an_end() -> None:
    assert reachable(Phase.OPEN) | {Phase.OPEN} == set(Phase)
    for phase in set(Phase) - {Phase.SETTLED, Phase.MISSED}:
        assert Phase.SETTLED in reachable(phase)
    assert following(Phase.MISSED) == set()
    assert following(Phase.SETTLED) == {Phase.SETTLED}


def test_what_was_reported_is_never_planned_or_run_again() -> None:
    for phase in (Phase.REPORTED, Phase.SETTLED, Phase.MISSED):
        assert reachable(phase) <= {Phase.SETTLED}


def test_the_plan_can_change_until_work_begins() -> None:
    fixed = {phase for phase in Phase if SlotState(0, Stage.DEVELOPMENT, True, phase=phase).fixed}
    assert fixed == {Phase.RUNNING, Phase.WORKED, Phase.REPORTED, Phase.SETTLED}


@pytest.mark.parametrize("before", list(Phase))
def test_any_other_step_is_a_defect(before: Phase) -> None:
    for after in set(Phase) - following(before):
        slot = SlotState(0, Stage.DEVELOPMENT, True, phase=before)
        with pytest.raises(RuntimeError, match=f"cannot become {after} while it is {before}"):
            slot.enter(after)
        assert slot.phase is before
    for after in following(before):
        check_transition(before, after)
