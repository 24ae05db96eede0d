"""The report page: one self-contained HTML file with its figures inline, and the same figures and tables"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from experiments.report.html import write_report
from experiments.report.vendor import charts
from tests.experiments.report.pages import Page

MakeRun = Callable[..., Path]


def test_importing_the_report_loads_neither_torch_nor_the_statistics_of_scipy() -> None:
    code = (
        "import sys, experiments.report.html\n"
        "assert not {'torch', 'scipy.stats', 'flwr', 'ray'} & set(sys.modules), 'heavy import'\n"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_the_page_stands_alone(compared: Path) -> None:
    page = Page(compared / "report.html")
    assert page.loads == []
    assert not re.search(r"@import|url\((?!#)", page.text.replace(charts(), ""))
    assert len(page.text.encode()) < 3_000_000
    assert page.svg_without_text == 0
    assert page.tables == page.captions


def test_ids_are_unique_and_links_lead_somewhere(compared: Path) -> None:
    page = Page(compared / "report.html")
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link.removeprefix("#") in page.ids if link.startswith("#") else (compared / link).is_file(), (
            link
        )
    for reference in re.findall(r"url\(#([^)]+)\)", page.text.replace(charts(), "")):
        assert reference in page.ids


def test_the_headline_names_both_baselines_and_losses(compared: Path) -> None:
    page = Page(compared / "report.html")
    than = r"[\d.]+\u202f% less than GRID and [\d.]+\u202f% less than LOCAL"
    assert re.search(rf"DETA emitted .* per round.*: nodes alone {than}; whole testbed {than}\.", page.text)
    assert page.text.index('id="table-functional_units"') < page.text.index('id="table-policies"')
    assert 'id="table-reductions"' in page.text
    assert "Lost nodes" in page.text
    assert "Fallback decisions" in page.text
    assert "solver ran out of time" in page.text
    assert "ab" * 32 in page.text  # the source's sha256
    assert "per slot the traces of grid intensity and harvest advance" in page.text


def test_names_from_a_scenario_cannot_break_the_page(make_run: MakeRun) -> None:
    folder = make_run("deta", 0, nodes=3)
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata |= {"name": "<script>alert(1)</script>", "task": "a & b", "policy": "mylab.deta2:Deta$2$<b>"}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    page = Page(write_report(folder))
    assert "<script>alert" not in page.text
    assert "<b>" not in page.text
    assert list((folder / "figures").glob("flows-mylab-deta2-deta-2--b--*.svg"))
