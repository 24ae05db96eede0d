"""Sections drawn while later runs go on are those of the finished comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from experiments.report import second_process
from experiments.report.ahead import OF_FIRST_SEED, OF_FOCUS, DrawnAhead
from experiments.report.pictures import Picture, draw_section
from experiments.report.read import load
from experiments.report.second_process import SecondProcess

pytestmark = pytest.mark.processes
MakeCompare = Callable[..., Path]


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecondProcess]:
    monkeypatch.setattr(second_process, "cpu_count", lambda: 2)
    with SecondProcess() as one:
        yield one


def test_what_is_drawn_of_the_first_seed_is_what_the_whole_comparison_shows(
    second: SecondProcess, make_compare: MakeCompare
) -> None:
    folder = make_compare()
    study = load(folder)
    first = [study.first(policy).folder.name for policy in study.policies]
    ahead = DrawnAhead(second)
    second.start()
    ahead.draw(folder, first, study.policies)
    drawn = ahead.take()
    assert set(drawn) == {*OF_FIRST_SEED, OF_FOCUS}
    for section, pictures in drawn.items():
        assert [Picture(**one) for one in pictures] == draw_section(study, section)


def test_taken_early_it_gives_what_is_there(second: SecondProcess, make_compare: MakeCompare) -> None:
    folder = make_compare()
    ahead = DrawnAhead(second)
    assert ahead.take() == {}
    ahead.begin(folder, ["nowhere"], ("local", "deta"))
    assert ahead.take() == {}
