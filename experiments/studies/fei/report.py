"""The report of a reproduction: one self-contained page, its figures as SVG and PDF, its tables as CSV."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from rich.console import Console

from carbon_data.files.whole import whole_file
from experiments.progress import progress_bar
from experiments.report.claims.shown import verdict_counts
from experiments.report.figures.base import Drawing
from experiments.report.html import TEMPLATES
from experiments.report.svg import inline_svg
from experiments.report.tables import Table
from experiments.run_folder.files import FIGURES, REPORT, TABLES
from experiments.studies.fei import headline
from experiments.studies.fei.claims.judgement import Judgement

HERE = Path(__file__).parent


@dataclass
class Section:
    """A part of the page."""

    id: str
    title: str
    lead: str
    figures: list[list[Drawing]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass
class Page:
    """All that a page says."""

    title: str
    kicker: str
    claims: dict[str, Judgement]
    sections: list[Section]
    notes: pd.DataFrame
    assumptions: list[tuple[str, str]]
    notices: list[dict[str, str]]
    command: str
    origins: list[tuple[str, str]]
    cost: list[tuple[str, str]]
    by_reading: pd.DataFrame | None = None
    """Verdicts in every reading; None where no claim has several."""
    extra_tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    """CSV only."""


def write(page: Page, folder: Path, console: Console | None = None) -> Path:
    """Write report.html, figures/ and tables/ into ``folder``; returns the page's path. ``console``: for progress."""
    figures, tables = folder / FIGURES, folder / TABLES
    figures.mkdir(parents=True, exist_ok=True)
    tables.mkdir(exist_ok=True)
    svg = {}
    drawings = [d for section in page.sections for group in section.figures for d in group]
    with progress_bar(console) as bar:
        for drawing in bar.track(drawings, description="drawing"):
            text = drawing.svg()
            drawing.save(figures, text)
            svg[drawing.name] = Markup(inline_svg(drawing, text))
            drawing.data.to_csv(tables / f"figure-{drawing.name}.csv", index=False, lineterminator="\n")
    for table in (t for section in page.sections for t in section.tables):
        table.write(tables)
    groups = headline.claim_groups(page.claims, page.by_reading)
    records = [{"claim": name, **headline.flat(one)} for name, one in page.claims.items()]
    for name, frame in {
        "claims": pd.DataFrame(records),
        "inconsistencies": page.notes,
        **page.extra_tables,
    }.items():
        frame.to_csv(tables / f"{name}.csv", index=False, lineterminator="\n")
    environment = Environment(
        loader=FileSystemLoader([HERE, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("report.html.j2").render(
        css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        js=Markup((TEMPLATES / "report.js").read_text(encoding="utf-8")),
        svg=svg,
        title=page.title,
        kicker=page.kicker,
        sentence=headline.sentence(page.claims),
        cards=headline.cards(page.claims),
        notices=page.notices,
        claims_css=Markup((TEMPLATES / "claims.css").read_text(encoding="utf-8")),
        claims_js=Markup((TEMPLATES / "claims.js").read_text(encoding="utf-8")),
        claims=groups,
        claim_counts=verdict_counts(groups),
        sections=page.sections,
        notes=page.notes.to_dict("records"),
        assumptions=page.assumptions,
        command=page.command,
        origins=page.origins,
        cost=page.cost,
    )
    path = folder / REPORT
    with whole_file(path) as draft:
        draft.write_text(text, encoding="utf-8")
    return path
