"""The benchmark of boards: goals are the issue's, and what was not measured is deferred."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks._board_runs import Cuts, Equality, Resumption
from benchmarks.boards import at_least, at_most, judged

GOOD = Resumption(findings=0, rows_unlike=0, rows_lost=0, lost_slots=1, resume_s=5.0)


def equal(**changes: Any) -> Equality:
    return replace(
        Equality(decisions_unlike=0, joules_unlike=0, moved=7, unserved=0, resident_mb=320.0), **changes
    )


def test_goals_of_both_fleets() -> None:
    cut = Cuts(4, {9.0: 2.0, 70.0: 10.0}, resident_mb=330.1)
    found = judged("daemons", 4, equal(), cut, GOOD)
    assert found["deferred"] == []
    assert all(goal["met"] for goal in found["goals"].values())
    assert found["goals"].keys() == at_most("daemons").keys() | at_least("daemons", 4).keys()
    assert found["goals"]["daemons_rejoins_after_a_cut_of_70_s_within_s"]["goal"] == 10
    assert found["goals"]["daemon_resident_mb_after_training"]["goal"] == 330
    assert at_most("ray")["ray_rejoins_after_a_cut_of_9_s_within_s"] == 45
    assert "daemon_resident_mb_after_training" not in at_most("ray")


def test_every_shortfall_is_a_goal_that_is_not_met() -> None:
    cut = Cuts(3, {9.0: 10.5, 70.0: 9.0}, rows_lost=1, silent_gaps=1, findings=1)
    resumed = Resumption(findings=1, rows_unlike=2, rows_lost=0, lost_slots=1, resume_s=5.0)
    short = equal(decisions_unlike=1, joules_unlike=1, moved=0, unserved=1, resident_mb=331.0)
    found = judged("daemons", 4, short, cut, resumed)
    met = [name for name, goal in found["goals"].items() if goal["met"]]
    assert met == ["daemons_rejoins_after_a_cut_of_70_s_within_s"]


def test_a_cut_that_was_not_made_is_deferred() -> None:
    found = judged("ray", 2, equal(), Cuts(2, {9.0: 6.0}), GOOD)
    assert found["deferred"] == ["ray_rejoins_after_a_cut_of_70_s_within_s"]
    assert "ray_rejoins_after_a_cut_of_70_s_within_s" not in found["goals"]
