"""The page of a study: one file, nothing loaded from afar; a study's own template extends ``study.html.j2``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from experiments.report.claims.shown import ClaimGroup, verdict_counts
from experiments.report.figures.base import Drawing
from experiments.report.svg import inline_svg
from experiments.report.tables import FOLDED_FROM

TEMPLATES = Path(__file__).parent / "templates"
_FIGURE = re.compile(r"[-+\u2212\u2264\u2265<>~×]?\s?\d")
LONG = 48
"""Letters above which a cell of words is made wider."""


@dataclass(frozen=True)
class Shown:
    """A table for people."""

    columns: list[str]
    rows: list[list[str]]

    def headings(self) -> list[tuple[str, bool]]:
        """Each column's heading, and whether the column holds words."""
        return list(zip(self.columns, self._of_words(), strict=True))

    def cells(self) -> list[list[tuple[str, bool, bool]]]:
        """Rows of cells: the text, whether its column holds words, and whether the text is long."""
        words = self._of_words()
        return [
            [(text, is_words, len(text) > LONG) for text, is_words in zip(row, words, strict=True)]
            for row in self.rows
        ]

    def _of_words(self) -> list[bool]:
        """Whether a column holds words: none of its texts begins with a figure."""
        return [not any(_FIGURE.match(row[k]) for row in self.rows) for k in range(len(self.columns))]


def render_study(
    package: str,
    lead: str,
    figures: list[tuple[Drawing, str]],
    tables: list[tuple[str, Shown]],
    *,
    claims: Sequence[ClaimGroup] = (),
    template: str = "page.html.j2",
    **values: Any,
) -> str:
    """HTML of ``template`` in ``package``; ``figures`` with their SVG text, ``claims`` for the macro of
    ``claims.html.j2``, ``values`` for what the template adds itself."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader("experiments.report", "templates")]),
        autoescape=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(template).render(
        lead=lead,
        figures=[(drawing, inline_svg(drawing, svg)) for drawing, svg in figures],
        tables=tables,
        folded_from=FOLDED_FROM,
        claims=claims,
        claim_counts=verdict_counts(claims),
        claims_css=Markup((TEMPLATES / "claims.css").read_text(encoding="utf-8")) if claims else "",
        claims_js=Markup((TEMPLATES / "claims.js").read_text(encoding="utf-8")) if claims else "",
        **values,
    )
