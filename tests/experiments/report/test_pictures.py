"""Sections drawn here and there are the same report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from threading import Event
from typing import Any

import pytest

from experiments.report import html, pictures
from experiments.report.drawer import answer
from experiments.report.html import write_study
from experiments.report.read import Study, load

MakeRun = Callable[..., Path]


class There:
    """The second process' answers, given in this one."""

    def __init__(self, works: int) -> None:
        self.asked: list[str] = []
        self.has_drawn = Event()
        self._works = works
        """So many sections; then it has ended."""

    @property
    def works(self) -> bool:
        return len(self.asked) <= self._works

    def ask(self, question: dict[str, str]) -> Any | None:
        self.asked.append(question["section"])
        drawn = answer(question).get("drawn") if self.works else None
        if drawn is None or len(self.asked) == len(pictures.SECTIONS):
            self.has_drawn.set()
        return drawn


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("works", [0, 3, 100])
def test_the_files_are_the_same_whoever_draws_them(
    make_run: MakeRun, works: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run("deta", 0, nodes=3)
    write_study(load(folder))
    alone = files(folder)
    rmtree(folder / "figures")
    there = There(works)
    tables_of = html.tables_of

    def later(study: Study) -> dict[str, Any]:
        """The other side has drawn all that it is going to before this side begins."""
        there.has_drawn.wait(60)
        return tables_of(study)

    monkeypatch.setattr(html, "tables_of", later)
    write_study(load(folder), there)  # type: ignore[arg-type]
    assert files(folder) == alone
    assert len(there.asked) == min(works + 1, len(pictures.SECTIONS))


def test_an_error_of_a_figure_is_raised_here(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> list[None]:
        raise ValueError("no such colour")

    monkeypatch.setitem(pictures.SECTIONS, "losses", broken)
    study = load(make_run("deta", 0, nodes=3))
    with pytest.raises(ValueError, match="no such colour"):
        write_study(study, There(100))  # type: ignore[arg-type]
