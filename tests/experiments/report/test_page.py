"""The page, figures and tables: complete, self-contained, reproducible, and robust against unusual runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from experiments.report.figures import draw_all
from experiments.report.html import write_report
from experiments.report.read import load

MakeRun = Callable[..., Path]


class Page(HTMLParser):
    """Requests that tests make to a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.svg_without_text = 0
        self.tables = self.captions = 0
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a":
            self.links.append(found.get("href", ""))
        self.loads += [found[key] for key in ("src", "srcset", "data") if key in found]
        if tag == "link":
            self.loads.append(found.get("href", ""))
        if tag == "svg":
            self.svg_without_text += not found.get("aria-label")
        self.tables += tag == "table"
        self.captions += tag == "caption"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    write_sample = request.getfixturevalue("write_sample_run")
    folder = tmp_path_factory.mktemp("report") / "compare"
    for policy in ("grid", "local", "dat", "deta"):
        for seed in (0, 1):
            lost = {"node-05": 14} if (policy, seed) == ("dat", 1) else None
            write_sample(folder / f"{policy}-s{seed}", policy, seed, lost=lost)
    write_report(folder)
    return folder


def test_the_page_stands_alone(compared: Path) -> None:
    page = Page(compared / "report.html")
    assert page.loads == []
    assert not re.search(r"@import|url\((?!#)", page.text)
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
    for reference in re.findall(r"url\(#([^)]+)\)", page.text):
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


def test_every_figure_is_there_as_svg_pdf_and_csv(compared: Path) -> None:
    svgs = sorted((compared / "figures").glob("*.svg"))
    assert {
        "emissions-by-policy",
        "reductions",
        "emissions-by-stage",
        "flows-deta",
        "accuracy",
        "by-node",
        "intensity-and-harvest",
        "energy-balance",
        "battery-deta",
        "decisions",
        "losses-dat-s1",
        "tree-by-policy",
    } <= {path.stem for path in svgs}
    for path in svgs:
        ElementTree.parse(path)
        assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")
        assert len(pd.read_csv(compared / "tables" / f"figure-{path.stem}.csv"))
    runs = pd.read_csv(compared / "tables" / "runs.csv")
    assert len(runs) == 8
    assert runs["emissions_g"].gt(0).all()


def test_the_same_tables_give_the_same_bytes(make_run: MakeRun) -> None:
    folder = make_run("deta", 0, nodes=2)

    def written() -> dict[str, bytes]:
        write_report(folder)
        files = [folder / "report.html", *(folder / "figures").iterdir(), *(folder / "tables").iterdir()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    first, second = written(), written()
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_names_from_a_scenario_cannot_break_the_page(make_run: MakeRun) -> None:
    folder = make_run("deta", 0, nodes=3)
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata |= {"name": "<script>alert(1)</script>", "task": "a & b", "policy": "mylab.deta2:Deta$2$<b>"}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    page = Page(write_report(folder))
    assert "<script>alert" not in page.text
    assert "<b>" not in page.text
    assert list((folder / "figures").glob("flows-mylab-deta2-deta-2--b--*.svg"))


def test_a_run_with_nothing_to_show_still_has_a_report(make_run: MakeRun) -> None:
    folder = make_run("local", 0, nodes=1)
    for table in ("rounds", "decisions", "batch_flows", "energy_flows"):
        path = folder / f"{table}.parquet"
        pd.read_parquet(path).head(0).to_parquet(path)
    slots = pd.read_parquet(folder / "slots.parquet")
    still = slots.assign(
        harvest_j=0.0, tokens_in=0, tokens_out=0, bits=0, battery_after_j=0.0, operational_g=0.0, grid_j=0.0
    )
    still.to_parquet(folder / "slots.parquet")
    nodes = pd.read_parquet(folder / "nodes.parquet")
    nodes.assign(tree_node_bit_per_j=None, ee_node_bit_per_j=None).to_parquet(folder / "nodes.parquet")
    page = Page(write_report(folder))
    assert "no node harvests energy" in page.text
    assert 'id="learning"' not in page.text
    assert 'id="batteries"' not in page.text


def test_a_study_without_emissions_is_drawn_without_warnings_and_from_zero(
    make_compare: Callable[..., Path],
) -> None:
    folder = make_compare(("local", "deta"), (0, 1))
    for run in folder.iterdir():
        for table in ("lines", "slots"):
            path = run / f"{table}.parquet"
            clean = pd.read_parquet(path)
            none = {name: 0.0 for name in ("operational_g", "intensity_g_per_kwh") if name in clean}
            clean.assign(**none).to_parquet(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # libraries' own deprecations are not the pictures'
        warnings.simplefilter("ignore", DeprecationWarning)
        drawings = {each.name: each for some in draw_all(load(folder)).values() for each in some}
        for drawing in drawings.values():
            drawing.svg()
    for name in ("emissions-by-policy", "emissions-by-stage"):
        (axes,) = drawings[name].figure.axes
        assert axes.get_xlim() == (0.0, 1.0)
        assert all(bar.get_width() == 0.0 for bar in axes.patches)


def test_a_large_fleet_is_shown_by_zone(make_run: MakeRun) -> None:
    study = load(make_run("deta", 0, nodes=45))
    drawings = {drawing.name: drawing for some in draw_all(study).values() for drawing in some}
    assert "Every line is one zone" in drawings["intensity-and-harvest"].caption
    flows = drawings["flows-deta"].data
    moved = study.any_run.tables["batch_flows"]["batches"].sum()
    assert flows[flows["flow"] == "batches_moved"]["value"].sum() == moved
    assert set(flows["from"]) <= set(study.any_run.tables["nodes"]["zone"])


def test_a_summary_needs_neither_plots_nor_torch() -> None:
    code = (
        "import sys, experiments.report.summary;"
        "assert not {'matplotlib', 'torch', 'jinja2'} & set(sys.modules), 'imported too early'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
