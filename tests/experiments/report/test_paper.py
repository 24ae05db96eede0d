"""Tables as LaTeX and figures as PDF for papers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import invoke
from experiments.report import units
from experiments.report.paper import FOLDER, escaped, latex
from experiments.report.tables import ROWS_AT_MOST, Column, Table

PDFLATEX = shutil.which("pdflatex")


@pytest.fixture(scope="module")
def paper(small_comparison: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("paper") / "compare"
    shutil.copytree(small_comparison, folder)
    assert invoke(["report", str(folder), "--paper"]) == 0
    return folder / FOLDER


def test_every_table_and_figure_of_the_report_is_there(paper: Path) -> None:
    tables = {
        path.stem for path in (paper.parent / "tables").glob("*.csv") if not path.stem.startswith("figure-")
    }
    assert {path.stem for path in paper.glob("*.tex")} == tables
    figures = {path.stem for path in (paper.parent / "figures").glob("*.pdf")}
    assert {path.stem for path in paper.glob("*.pdf")} == figures
    for path in paper.glob("*.pdf"):
        raw = path.read_bytes()
        assert b"/Type3" not in raw, "publishers refuse type 3"
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ", raw)
        assert box is not None
        assert float(box[1]) == pytest.approx(7.16 * 72, abs=1)


@pytest.mark.skipif(PDFLATEX is None, reason="pdflatex is not here")
def test_latex_sets_all_tables(paper: Path, tmp_path: Path) -> None:
    document = "".join(f"\\input{{{path}}}\\clearpage\n" for path in sorted(paper.glob("*.tex")))
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}\tiny"
    (tmp_path / "all.tex").write_text(f"{head}\n{document}\\end{{document}}\n")
    command = [str(PDFLATEX), "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def test_all_rows_are_in_the_table_and_nothing_in_it_is_a_command() -> None:
    frame = pd.DataFrame({"name": [r"a_1 & 50 % \x {y} #$^~"] * (ROWS_AT_MOST + 1)})
    text = latex(Table("t", "C_2", frame, (Column("name", "n_1", is_number=False),)))
    assert (
        text.count(r"a\_1 \& 50 \% \textbackslash{}x \{y\} \#\$\textasciicircum{}\textasciitilde{}")
        == ROWS_AT_MOST + 1
    )
    assert r"\caption{C\_2}" in text
    assert escaped(f"1{units.THIN}234 \u2212 CO\u2082") == r"1\,234 $-$ CO$_2$"
