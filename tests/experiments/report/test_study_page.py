"""Tables of a study's page: columns of words are told from those of figures, and every page has the shared styles."""

from __future__ import annotations

import pandas as pd
from jinja2 import Environment, PackageLoader

from experiments.report.figures.base import Drawing, new_figure
from experiments.report.study_page import Shown, render_study

TABLE = Shown(
    ["forecast", "means", "grams", "change"],
    [["q0", "known a day before", "1.2 (1.0 to 1.4)", "\u22123 %"], ["q1", "x" * 60, "\u2013", "+2 %"]],
)


def test_columns_of_words_and_of_figures() -> None:
    assert TABLE.headings() == [("forecast", True), ("means", True), ("grams", False), ("change", False)]
    (first, second) = TABLE.cells()
    assert [words for _, words, _ in first] == [True, True, False, False]
    assert [wide for _, _, wide in second] == [False, True, False, False]


def test_words_stand_left_and_wrap_where_they_are_long() -> None:
    environment = Environment(loader=PackageLoader("experiments.report", "templates"), autoescape=True)
    text = environment.get_template("shown.html.j2").module.shown_table(TABLE)  # type: ignore[attr-defined]
    assert '<td class="words">q0</td>' in text
    assert '<td class="words wide">xxx' in text
    long = Shown(["means"], [["known, with a day of delay"]])
    text = environment.get_template("shown.html.j2").module.shown_table(long)  # type: ignore[attr-defined]
    assert '<td class="words wraps">known, with a day of delay</td>' in text


def test_figures_stand_right() -> None:
    environment = Environment(loader=PackageLoader("experiments.report", "templates"), autoescape=True)
    text = environment.get_template("shown.html.j2").module.shown_table(TABLE)  # type: ignore[attr-defined]
    assert "<td>1.2 (1.0 to 1.4)</td>" in text
    assert '<th class="words">means</th><th>grams</th>' in text


def test_a_figure_and_a_table_can_be_scrolled_on_a_narrow_screen() -> None:
    figure = new_figure(1.0)
    drawing = Drawing(
        name="one", title="One", caption="A line.", alt="a line", figure=figure, data=pd.DataFrame()
    )
    page = render_study(
        "experiments.studies.tree",
        "lead",
        [(drawing, drawing.svg())],
        [("Numbers", TABLE)],
        template="tradeoff.html.j2",
        assumptions=[],
    )
    assert '<div class="plot">' in page
    assert page.count('<div class="scroll"') == 1
    assert "--edges:" in page
