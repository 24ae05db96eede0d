"""For papers: every table of a report as LaTeX (booktabs), every figure as PDF in a journal's type and width."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from experiments.report import units
from experiments.report.figures import SECTIONS, draw
from experiments.report.figures.look import dressed
from experiments.report.html import tables_of
from experiments.report.read import Study
from experiments.report.tables import Table

FOLDER = "paper"
WIDTH_IN = 7.16
"""Text width of a page in two columns (IEEE); one column is half of it less the gutter."""
RC: dict[str, Any] = {
    # Both come with matplotlib; the second has the letters that the first lacks.
    "font.family": ["STIXGeneral", "DejaVu Serif"],
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "mathtext.fontset": "stix",
    "pdf.fonttype": 42,  # publishers refuse type 3
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
PREAMBLE = "% Needs \\usepackage{booktabs}. Written by detabed; the same figures in base units are in tables/*.csv.\n"
SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    units.THIN: r"\,",
    units.MINUS: "$-$",
    "\u2013": "--",
    "\u2082": "$_2$",
    "\u00b1": r"$\pm$",
    "\u00d7": r"$\times$",
    "\u00b5": r"$\mu$",
    "\u03b1": r"$\alpha$",
    "\u03bb": r"$\lambda$",
    "\u2264": r"$\le$",
    "\u2265": r"$\ge$",
    "\u2026": r"\ldots{}",
    "\u00b7": r"$\cdot$",
    "\u2192": r"$\to$",
}


def escaped(text: str) -> str:
    """``text`` as LaTeX sets it, without packages beyond booktabs."""
    return "".join(SPECIAL.get(letter, letter) for letter in text)


def latex(table: Table) -> str:
    """A table environment with all rows, formatted as the page shows them."""
    rows = [[escaped(text) for text, _, _ in row] for row in table.rows(at_most=len(table.display))]
    # Names may repeat: pandas wants its columns to differ until they are printed.
    frame = pd.DataFrame(rows, columns=list(range(len(table.columns))))
    header = [escaped(column.label) for column in table.columns]
    style = frame.style.hide(axis="index").relabel_index(header, axis="columns")
    note = f"\n\\par\\smallskip\\footnotesize {escaped(table.note)}" if table.note else ""
    text = style.to_latex(
        hrules=True,
        column_format="".join("r" if column.is_number else "l" for column in table.columns),
        caption=escaped(table.caption),
        label=f"tab:{table.name}",
        position_float="centering",
    )
    return PREAMBLE + text.replace("\\end{tabular}", "\\end{tabular}" + note)


def write_paper(study: Study) -> Path:
    """Write ``paper/*.tex`` and ``paper/*.pdf`` into the folder of ``study``; the folder's path."""
    folder = study.folder / FOLDER
    folder.mkdir(exist_ok=True)
    for table in tables_of(study).values():
        (folder / f"{table.name}.tex").write_text(latex(table), encoding="utf-8")
    with dressed(RC):
        for section in SECTIONS:
            for one in draw(study, section):
                width, height = one.figure.get_size_inches()
                one.figure.set_size_inches(WIDTH_IN, height * WIDTH_IN / width)
                one.save_pdf(folder)
    return folder
