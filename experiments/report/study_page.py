"""The page of a study: one file, nothing loaded from afar; a study's own template extends ``study.html.j2``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from experiments.report.figures.base import Drawing
from experiments.report.svg import inline_svg


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
    template: str = "page.html.j2",
    **values: Any,
) -> str:
    """HTML of ``template`` in ``package``; ``figures`` with their SVG text, ``values`` for what it adds itself."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader("experiments.report", "templates")]),
        autoescape=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(template).render(
        lead=lead,
        figures=[(drawing, inline_svg(drawing, svg)) for drawing, svg in figures],
        tables=tables,
        **values,
    )
