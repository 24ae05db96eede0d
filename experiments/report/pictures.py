"""Figures of the report as the page shows them, drawn here and in a second process at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from experiments.report.figures import SECTIONS, draw
from experiments.report.read import Study
from experiments.report.second_process import SecondProcess
from experiments.report.svg import inline_svg
from experiments.run_folder.files import FIGURES, TABLES

LONGEST = ("efficiency", "day", "flows", "batteries")
"""Sections that take longest to draw. It decides only who draws what, and when."""
WITH_TABLES = ("serving", "emissions")
"""Sections that show what tables show too: best drawn where those are, at the end, and worked out once."""


@dataclass(frozen=True)
class Picture:
    """A figure whose files are written."""

    name: str
    """File stem in figures/ and tables/."""
    title: str
    caption: str
    alt: str
    tab: str
    """Pictures of one section that carry a tab label are shown one at a time."""
    svg: str
    """Ready to stand in the page."""


def draw_section(study: Study, section: str) -> list[Picture]:
    """Draw the figures of one section and write their files: figures/*.svg and *.pdf, tables/figure-*.csv."""
    figures, tables = study.folder / FIGURES, study.folder / TABLES
    for folder in (figures, tables):
        folder.mkdir(exist_ok=True)
    pictures = []
    for one in draw(study, section):
        svg = one.svg()
        one.save(figures, svg)
        one.data.to_csv(tables / f"figure-{one.name}.csv", index=False, lineterminator="\n")
        pictures.append(Picture(one.name, one.title, one.caption, one.alt, one.tab, inline_svg(one, svg)))
    return pictures


@contextmanager
def pictures(
    study: Study, second: SecondProcess | None, ahead: dict[str, list[Picture]] | None = None
) -> Iterator[Callable[[], dict[str, list[Picture]]]]:
    """``second``, if it was started, draws from here on; the value, when called, draws the rest here and returns all.
    ``ahead``: sections that were drawn before (experiments.report.ahead).

    Both take whole sections until none is left, so that they end at about the same time: the second process the longest
    first, this one those that go with tables. A section that the second process cannot draw is drawn here, where its
    error is raised.
    """
    done = ahead or {}
    between = (section for section in SECTIONS if section not in {*LONGEST, *WITH_TABLES})
    order = (*LONGEST, *between, *WITH_TABLES)
    left = deque(section for section in order if section not in done)
    with ThreadPoolExecutor(1, thread_name_prefix="pictures") as asking:
        there = asking.submit(_draw_there, study, second, left)

        def drawn() -> dict[str, list[Picture]]:
            found = _draw_here(study, left)
            return done | found | there.result() | _draw_here(study, left)

        try:
            yield drawn
        finally:
            left.clear()


def _draw_here(study: Study, left: deque[str]) -> dict[str, list[Picture]]:
    found = {}
    while (section := _taken(left.pop)) is not None:
        found[section] = draw_section(study, section)
    return found


def _draw_there(study: Study, second: SecondProcess | None, left: deque[str]) -> dict[str, list[Picture]]:
    found = {}
    while second is not None and second.works and (section := _taken(left.popleft)) is not None:
        answer = second.ask({"folder": str(study.folder.absolute()), "section": section})
        if answer is None:
            left.appendleft(section)
            break
        found[section] = [Picture(**one) for one in answer]
    return found


def _taken(take: Callable[[], str]) -> str | None:
    """The next section that is not taken, from one end; None: none is left."""
    try:
        return take()
    except IndexError:
        return None
