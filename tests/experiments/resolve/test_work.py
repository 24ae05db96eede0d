"""The work of a run, learned or counted."""

from __future__ import annotations

from experiments.resolve.boards import node_boards
from experiments.resolve.work import counted_work, learned_work
from experiments.scenario.model import parse_scenario
from protos.messages.terms import Stage

TEXT = '[task]\n{task}[stages]\ndevelopment = 3\n[fleet]\nkind = "inprocess"\n[[nodes]]\nzone = "DE"\ncount = 2\n'


def test_counted_work_fills_the_share_of_a_slot_that_is_asked_for() -> None:
    scenario = parse_scenario(TEXT.format(task='name = "none"\n'))
    boards, _ = node_boards(scenario, (0, 0))
    work = counted_work(scenario, (0, 0), boards)
    assert work.seconds[Stage.DEVELOPMENT] == [work.slot_s / 2] * 2
    assert work.task.name == work.task.data == "none"


def test_learned_work_has_no_demand() -> None:
    scenario = parse_scenario(TEXT.format(task='data = "digits"\n'))
    boards, _ = node_boards(scenario, (0, 0))
    work = learned_work(scenario, boards)
    assert work.demands == (None, None)
    assert max(work.seconds[Stage.DEVELOPMENT]) <= work.slot_s
