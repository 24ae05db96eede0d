"""The page of a study: one file, nothing loaded from afar; a study's own template extends ``study.html.j2``."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Shown:
    """A table for people."""

    columns: list[str]
    rows: list[list[str]]


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
